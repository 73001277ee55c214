"""`talaria check`: what a configuration says, or what is wrong with it, without serving."""

import json
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from talaria.entrypoints.cli.operators import Operators, ask_or_exit, operators_of, ops_option
from talaria.entrypoints.cli.shared import EXIT_CONFIGURATION, config_option, load_or_exit, say, say_json, warn
from talaria.entrypoints.cli.templates import templates
from talaria.entrypoints.config import ConfigurationError, Settings, load, schema
from talaria.entrypoints.config.types import write_seconds
from talaria.entrypoints.config.without_secrets import differences, without_secrets
from talaria.entrypoints.ops.answers import ConfigurationInForce


@click.command("check")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Problems and warnings as JSON, with their lines in the file.")
@click.option("--schema", "as_schema", is_flag=True, help="Print the JSON Schema of the configuration instead.")
@click.option("--running", is_flag=True, help="Say what differs between the file and the gateway that runs.")
@ops_option
def command(path: Path, as_json: bool, as_schema: bool, running: bool, ops: str | None) -> None:
    """Check the configuration: all problems at once (exit code 78), or what was found.

    Exit code 1: what runs differs (--running).
    """
    if as_schema:
        say_json(schema())
        return
    if running or ops is not None:
        sys.exit(_compare(path, operators_of(ops, path), as_json))
    if as_json:
        sys.exit(_print_json(path))
    settings = load_or_exit(path)
    _print(settings)
    warn(settings.warnings)
    say(f"{path} is good, hash {settings.digest}.")


def _print_json(path: Path) -> int:
    report: dict[str, object] = {"file": str(path), "hash": None, "problems": [], "warnings": []}
    try:
        settings = load(path)
        report |= {"hash": settings.digest, "warnings": settings.warnings}
    except ConfigurationError as error:
        report["problems"] = error.problems
    say_json(report)
    return EXIT_CONFIGURATION if report["problems"] else 0


def _compare(path: Path, address: Operators, as_json: bool) -> int:
    settings = load_or_exit(path)
    found = ask_or_exit(address, "/config", ConfigurationInForce)
    differ = differences(without_secrets(settings), found.settings)
    if as_json:
        listed = [{"key": key, "file": ours, "running": theirs} for key, (ours, theirs) in differ.items()]
        report = {"file": str(path), "hash": settings.digest, "running_hash": found.hash, "differences": listed}
        say_json(report)
    else:
        _print_differences(path, settings.digest, found.hash, differ)
    return int(bool(differ) or settings.digest != found.hash)


def _print_differences(path: Path, ours: str, theirs: str, differ: dict[str, tuple[Any, Any]]) -> None:
    for key, values in differ.items():
        file, running = (json.dumps(value) if value is not None else "not there" for value in values)
        click.echo(f"{key}\n    file     {file}\n    running  {running}")
    if differ:
        say(f"{path} has hash {ours}, what runs {theirs}. To make it run: talaria reload, or SIGHUP.")
    elif ours != theirs:
        say(f"The settings are the same, but not how they are written, or a caller's keys: {ours}, {theirs}.")
    else:
        say(f"What runs is what {path} says, hash {ours}.")


def _print(settings: Settings) -> None:
    """Each table's own name, and what it says below it: whole lines on any terminal."""
    environment = templates("")
    environment.filters["duration"] = write_seconds
    text = environment.get_template("check.txt").render(settings=settings, server=settings.server)
    say(text.rstrip())
