"""What commands that need the configuration share: the option, and the list of problems on stderr with exit code 78."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import rich_click as click

from talaria.entrypoints.config import ConfigurationError, Problem, Settings, load, load_part

EXIT_CONFIGURATION = os.EX_CONFIG

config_option = click.option(
    "--config",
    "path",
    metavar="FILE",
    default="talaria.toml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The configuration.",
)


def load_or_exit(path: Path) -> Settings:
    """The settings. Where there are none: what to do about it on stderr, and exit code 78."""
    return _or_exit(path, load)


def load_part_or_exit(path: Path, *keys: str) -> Settings:
    """The settings at these keys alone, which is what can be had in a shell without the service's secrets."""
    return _or_exit(path, lambda path: load_part(path, keys))


def _or_exit(path: Path, read: Callable[[Path], Settings]) -> Settings:
    if not path.exists():
        click.echo(f"There is no {path}. Make one with: talaria init {path.parent}", err=True)
        sys.exit(EXIT_CONFIGURATION)
    try:
        return read(path)
    except ConfigurationError as error:
        _exit_with(path, error.problems)


def warn(warnings: Sequence[Problem]) -> None:
    """Each warning on stderr."""
    _show(warnings, "warning: ")


def _show(problems: Sequence[Problem], kind: str) -> None:
    """Where and what, and below it what to write instead."""
    for problem in problems:
        place = f"{problem.key}: " if problem.key else ""
        click.echo(f"  {kind}{place}{problem.wrong}\n      {problem.hint}", err=True)


def _exit_with(path: Path, problems: Sequence[Problem]) -> NoReturn:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    click.echo(f"{path}: {count}", err=True)
    _show(problems, "")
    sys.exit(EXIT_CONFIGURATION)
