"""`talaria explain`: what became of a request that was answered with 500 or above. Asks the operators' listener."""

import json
import sys
from http.client import HTTPException
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

import msgspec
import rich_click as click

from talaria.adapters.telemetry.failure_log import KEPT, FailureRecord
from talaria.entrypoints.cli.shared import config_option, load_part_or_exit
from talaria.entrypoints.cli.timeline import print_list, print_timeline
from talaria.entrypoints.config import Address
from talaria.entrypoints.public.server.sockets import loopback_for_wildcard

FAILED = 1
TIMEOUT = 2.0

Kind = TypeVar("Kind")


@click.command("explain")
@click.argument("request_id", required=False, metavar="[REQUEST-ID]")
@click.option("--last", type=click.IntRange(1, KEPT), metavar="N", help="List the last N instead.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@config_option
def command(request_id: str | None, last: int | None, as_json: bool, path: Path) -> None:
    """Explain an answer of 500 or above: whose it was, and what happened when.

    The gateway remembers the last thousand while it runs. The request id is in every answer (x-request-id).
    """
    if (request_id is None) == (last is None):
        raise click.UsageError("Give a request id, or --last N.")
    address = load_part_or_exit(path, "server.ops_listen").server.ops_listen
    if request_id is not None:
        _explain_one(address, request_id, as_json)
    else:
        _list(address, last or 0, as_json)


def _explain_one(address: Address, request_id: str, as_json: bool) -> None:
    entry = _ask(address, f"/5xx/{quote(request_id, safe='')}", FailureRecord)
    if entry is None:
        _fail(
            f"No answer of 500 or above is remembered for {_printable(request_id)}.",
            "It may have ended below 500 (the access log has its line), be older than the last"
            f" {KEPT:,} or than the gateway's start, or have met another instance.",
            "What is remembered: talaria explain --last 20",
        )
    if as_json:
        click.echo(_as_json(entry))
    else:
        print_timeline(entry)


def _list(address: Address, count: int, as_json: bool) -> None:
    entries = (_ask(address, f"/5xx?last={count}", dict[str, list[FailureRecord]]) or {}).get("entries", [])
    if as_json:
        click.echo(_as_json(entries))
    elif entries:
        print_list(entries)
    else:
        click.echo("No answer of 500 or above is remembered.")


def _ask(address: Address, path: str, kind: type[Kind]) -> Kind | None:
    """What the operators' listener answers; None where it has no such thing. Ends the program if it can't be asked."""
    try:
        body = fetch(f"http://{loopback_for_wildcard(address)}{path}")
        return None if body is None else msgspec.json.decode(body, type=kind)
    except HTTPError as error:
        _fail(f"The operators' listener at {address} answered {error.code}.", "Is another program there?")
    except (OSError, HTTPException) as error:
        _fail(
            f"The operators' listener at {address} can't be reached ({reason(error)}).",
            "Does the gateway run, on this machine, with this configuration (server.ops_listen)?",
        )
    except msgspec.MsgspecError:
        _fail(f"What answers at {address} is no operators' listener of this version.", "Is another program there?")


def fetch(url: str) -> bytes | None:
    """The body that is there, None for a 404. Raises OSError's, HTTPError among them, and HTTPException's."""
    opener = build_opener(ProxyHandler({}))  # the operators' listener is near: no proxy of the environment
    try:
        with opener.open(url, timeout=TIMEOUT) as answer:
            body: bytes = answer.read()
            return body
    except HTTPError as error:
        error.close()
        if error.code == 404:
            return None
        raise


def reason(error: Exception) -> str:
    """Why nothing was fetched, in a word or two."""
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    return getattr(inner, "strerror", None) or type(inner).__name__


def _fail(*lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(FAILED)


def _as_json(value: FailureRecord | list[FailureRecord]) -> str:
    return json.dumps(msgspec.to_builtins(value), indent=2)


def _printable(text: str) -> str:
    return text if text.isprintable() and len(text) <= 64 else "this id"
