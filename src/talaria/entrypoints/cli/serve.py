"""`talaria serve`: the gateway."""

import os
import signal
import sys
from pathlib import Path

import rich_click as click

from talaria.entrypoints.cli.shared import config_option, load_or_exit, warn


@click.command("serve")
@config_option
def command(path: Path) -> None:
    """Serve until SIGTERM or SIGINT, then let what is in flight end."""
    take_standard_descriptors()
    # As process 1 of a container the signal would be ignored without a handler; the listeners take it over.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    # What is read now may be old before anything can read it again: until then the signal waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    settings = load_or_exit(path)
    warn(settings.warnings)
    from talaria.entrypoints.runtime.process import run  # a wrong configuration is told before this is loaded

    sys.exit(run(settings, path))


def take_standard_descriptors() -> None:
    """Where one of them is closed: else the next socket would be it, and the lines would go there."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one
