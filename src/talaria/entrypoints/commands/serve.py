"""`talaria serve`: the gateway."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import rich_click as click

from talaria.entrypoints.commands.configuration import config_option, load_or_exit, warn


@click.command("serve")
@config_option
def command(path: Path) -> None:
    """Serve until SIGTERM or SIGINT, then let what is in flight end."""
    # What is read now may be old before there is anybody to read it again: until then the signal waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    settings = load_or_exit(path)
    warn(settings.warnings)
    with tempfile.TemporaryDirectory(prefix="talaria-") as folder:
        if settings.server.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        # Here, so that a wrong configuration is told before the server's libraries are loaded, and because
        # prometheus_client looks for that folder when it is imported.
        from talaria.entrypoints.serve import run

        sys.exit(run(settings, path))
