"""What the commands share: the option --config and its problems (exit code 78), options that are written as settings
are, the end of a command that failed (1), and how long its lines may be.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from shutil import get_terminal_size
from textwrap import TextWrapper
from typing import Any, NoReturn

import msgspec
import rich_click as click

from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.config import ConfigurationError, Problem, Settings, load, load_part
from talaria.entrypoints.config.decoding import convert
from talaria.entrypoints.config.problems import InvalidValue
from talaria.entrypoints.config.sources import LoadContext

EXIT_CONFIGURATION = os.EX_CONFIG
_ENDLESS = 10_000

DEFAULT_FILE = Path("talaria.toml")

config_option = click.option(
    "--config",
    "path",
    metavar="FILE",
    default=str(DEFAULT_FILE),
    show_default=True,
    type=click.Path(path_type=Path, readable=False),  # that it can't be read is a problem of a configuration
    help="The configuration.",
)


def written_as(kind: Any) -> Callable[[str], Any]:
    """The type of an option or argument that is written as a setting of this type is."""

    def parse(text: str) -> Any:
        try:
            return convert(text, kind, LoadContext(Path(), {}))
        except InvalidValue as invalid:
            raise click.BadParameter(f"{invalid.wrong}; {invalid.hint}") from None

    return parse


def fail(*lines: str, code: int = 1) -> NoReturn:
    """End the command: these lines on stderr, and this exit code."""
    say("\n".join(lines), err=True)
    sys.exit(code)


def pasted(path: Path) -> str:
    """A path in a command that is to be pasted into a shell."""
    return quote(str(path))


def say(text: str, *, err: bool = False) -> None:
    """Lines; where one is too long several, those after the first indented once more. No word is cut."""
    width = line_width(err=err)
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip(" "))]
        whole = TextWrapper(width, indent, indent + "    ", break_long_words=False, break_on_hyphens=False)
        click.echo(whole.fill(line.lstrip(" ")), err=err)


def say_json(value: object) -> None:
    """For programs: JSON in ASCII, with line ends."""
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2))


def line_width(*, err: bool = False) -> int:
    """How long a line may be: as COLUMNS or the terminal says; else, in a file or a pipe, there is no end."""
    known = os.environ.get("COLUMNS") or (sys.stderr if err else sys.stdout).isatty()
    return get_terminal_size().columns if known else _ENDLESS


@contextmanager
def writing(*paths: Path) -> Iterator[None]:
    """Around the writing of new files: the command fails where one of them is there, or can't be written."""
    for path in paths:
        if path.exists() or path.is_symlink():
            fail(f"{path} is there already; nothing was written.")
    try:
        yield
    except OSError as error:
        fail(f"{error.filename or ' or '.join(map(str, paths))} can't be written: {error.strerror}.")


def person_argument(command: Callable[..., None]) -> Callable[..., None]:
    """The argument PERSONAL_PHONE_ID, as a PersonalPhoneId."""
    return click.argument("phone_id", metavar="PERSONAL_PHONE_ID", callback=_phone_id)(command)


def _phone_id(_: click.Context, __: click.Parameter, text: str) -> PersonalPhoneId:
    phone_id = PersonalPhoneId.parse(text)
    if phone_id is None:
        raise click.UsageError("A personal_phone_id is 1 to 128 visible ASCII characters.")
    return phone_id


def load_or_exit(path: Path, *keys: str) -> Settings:
    """The settings, or those at these keys alone, which is what can be had in a shell without the service's secrets.

    Where there are none: what to do about it on stderr, and exit code 78.
    """
    if _is_missing(path):
        fail(f"There is no {path}. Make one with: talaria init {pasted(path.parent)}", code=EXIT_CONFIGURATION)
    try:
        return load_part(path, keys) if keys else load(path)
    except ConfigurationError as error:
        refuse_configuration(path, error.problems)


def refuse_configuration(path: Path, problems: Sequence[Problem]) -> NoReturn:
    """End the command: these problems on stderr, and exit code 78."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    fail(f"{path}: {count}", *map(_told, problems), code=EXIT_CONFIGURATION)


def _is_missing(path: Path) -> bool:
    """False, too, for a file that may not be looked at: the loader says why."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


def warn(warnings: Sequence[Problem]) -> None:
    """Each warning on stderr."""
    for warning in warnings:
        say(_told(warning, "warning: "), err=True)


def _told(problem: Problem, kind: str = "") -> str:
    """Where and what, and below it what to write instead."""
    place = f"{problem.key}: " if problem.key else ""
    line = f" (line {problem.line})" if problem.line else ""
    return f"  {kind}{place}{problem.wrong}{line}\n      {problem.hint}"
