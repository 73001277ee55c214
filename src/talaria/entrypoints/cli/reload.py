"""`talaria reload`: the running gateway reads its configuration anew."""

from pathlib import Path

import rich_click as click

from talaria.entrypoints.cli.operators import ask_or_exit, operators_of, ops_option
from talaria.entrypoints.cli.shared import config_option, fail, say
from talaria.entrypoints.ops.answers import Reloaded

_SECONDS = 15.0


@click.command("reload")
@config_option
@ops_option
def command(path: Path, ops: str | None) -> None:
    """Let the running gateway read its configuration anew, and say whether it was taken. Exit code 1: it was not."""
    found = ask_or_exit(operators_of(ops, path), "/reload", Reloaded, "PUT", _SECONDS)
    if found.reloaded < found.workers:
        fail(
            f"{found.reloaded} of {found.workers} workers took what is on disk; what was in force goes on in the rest.",
            "The gateway's log says why; so does, on its machine: talaria check",
        )
    say(f"Reloaded, hash {found.hash}.")
