"""Precedence over other work on this machine, where we may take it: so that what is measured is not the others.

All programs of the benchmark get the same, so no proxy gains over another. Without the right to it nothing happens.
Linux shares the processors between sessions first (autogroups), so niceness alone does nothing beyond a session.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NICE = -15
_GROUP = Path("/proc/self/autogroup")


def take() -> None:
    """Takes precedence for this process and its session. Fit to run between fork and exec."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        _GROUP.write_text(str(NICE))


@contextmanager
def taken() -> Iterator[None]:
    """Takes precedence, and gives the session its own back: it may be an interactive shell."""
    nice = 0
    with suppress(OSError):
        nice = int(_GROUP.read_text().rsplit(" ", 1)[1])
    take()
    try:
        yield
    finally:
        with suppress(OSError):
            _GROUP.write_text(str(nice))
