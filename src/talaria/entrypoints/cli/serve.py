"""`talaria serve`: the gateway."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import rich_click as click

from talaria.entrypoints.cli.shared import config_option, fail, load_or_exit, warn


@click.command("serve")
@config_option
def command(path: Path) -> None:
    """Serve until SIGTERM or SIGINT, then let what is in flight end."""
    # What is read now may be old before anything can read it again: until then the signal waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    settings = load_or_exit(path)
    warn(settings.warnings)
    with ExitStack() as at_the_end:
        if settings.server.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = at_the_end.enter_context(_shared_folder())
        # Here, so that a wrong configuration is told before the server's libraries are loaded, and because
        # prometheus_client looks for that folder when it is imported.
        from talaria.entrypoints.runtime.process import run

        sys.exit(run(settings, path))


def _shared_folder() -> TemporaryDirectory[str]:
    """For the workers' metrics and control sockets."""
    try:
        # What is killed may still write into it while it goes.
        return TemporaryDirectory(prefix="talaria-", ignore_cleanup_errors=True)
    except OSError as error:
        fail(
            f"server.workers: several workers need a folder that they share ({error.strerror}).",
            "Set TMPDIR to a folder that can be written to, or take one worker.",
        )
