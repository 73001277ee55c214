"""`talaria serve`: the gateway."""

import signal
import sys
from pathlib import Path

import rich_click as click

from talaria.entrypoints.cli.shared import config_option, load_or_exit, warn


@click.command("serve")
@config_option
def command(path: Path) -> None:
    """Serve until SIGTERM or SIGINT, then let what is in flight end."""
    # As process 1 of a container the signal would be ignored without a handler; the listeners take it over.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    # What is read now may be old before anything can read it again: until then the signal waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    settings = load_or_exit(path)
    warn(settings.warnings)
    from talaria.entrypoints.runtime.process import run  # a wrong configuration is told before this is loaded

    sys.exit(run(settings, path))
