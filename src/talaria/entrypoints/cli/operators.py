"""Asks the operators' listener of the gateway that runs with a configuration, or at a URL."""

from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import msgspec
import rich_click as click

from talaria.adapters.tls import client_tls
from talaria.entrypoints.cli.shared import DEFAULT_FILE, fail, load_or_exit, written_as
from talaria.entrypoints.config import Address
from talaria.entrypoints.config.settings import ServerSettings
from talaria.entrypoints.config.types import BASE_URL
from talaria.entrypoints.public.server.sockets import loopback_for_wildcard

TIMEOUT = 2.0
_DOES_IT_RUN = (
    "Does the gateway run, on this machine, with this configuration (server.ops_listen) or another (--config)?"
)
_HANGS = "It takes connections: does the gateway hang, or have far too much to do?"

Operators = Address | str
"""Where an operators' listener is: an address of a configuration, or a URL."""


URL = written_as(Annotated[str, BASE_URL])
ops_option = click.option(
    "--ops",
    metavar="URL",
    type=URL,
    help="The operators' listener, where there is no configuration at hand.",
)


def operators_of(ops: str | None, path: Path) -> Operators:
    """The URL where one is given, else the file's address; without the usual file the usual address (the sandbox's)."""
    if ops is not None:
        return ops
    if path == DEFAULT_FILE and not path.exists():
        return ServerSettings().ops_listen
    return load_or_exit(path, "server.ops_listen").server.ops_listen


T = TypeVar("T")


class CannotAsk(Exception):
    """There is no answer to be had. The text is a sentence that says why; `hint` asks what may be the matter."""

    def __init__(self, wrong: str, hint: str = "Is another program there?") -> None:
        super().__init__(wrong)
        self.hint = hint


class NotThere(CannotAsk):
    """There is no such thing (404)."""


def ask(address: Operators, path: str, kind: type[T], method: str = "GET", timeout: float = TIMEOUT) -> T:
    """What `path` answers, as JSON of this type. Raises CannotAsk."""
    url = f"{address if isinstance(address, str) else f'http://{loopback_for_wildcard(address)}'}{path}"
    stranger = f"What answers at {address} is no operators' listener of this version."
    try:
        # The listener is near: no proxy of the environment is asked.
        answer = httpx.request(method, url, timeout=timeout, trust_env=False, verify=client_tls())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        wrong = f"The operators' listener at {address} can't be reached ({_cause(error, timeout)})."
        raise CannotAsk(wrong, _HANGS if isinstance(error, httpx.ReadTimeout) else _DOES_IT_RUN) from None
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise NotThere(stranger)
    if answer.status_code != httpx.codes.OK:
        raise CannotAsk(f"The operators' listener at {address} answered {answer.status_code}.")
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError:
        raise CannotAsk(stranger) from None


def ask_or_exit(address: Operators, path: str, kind: type[T], method: str = "GET", timeout: float = TIMEOUT) -> T:
    """The same. Where there is no answer: why on stderr, and exit code 1."""
    try:
        return ask(address, path, kind, method, timeout)
    except CannotAsk as error:
        fail(str(error), error.hint)


def _cause(error: BaseException, timeout: float) -> str:
    """Why there was no answer, in a word or two."""
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {timeout:g} s"
    inner = error.__cause__ or error.__context__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return _cause(inner, timeout) if inner is not None else type(error).__name__
