"""A lock between the processes that a fork made, a record lock (fcntl) of a file without a name, on Linux of memory.

The kernel takes it from a process that dies. A holder that is stopped in the middle keeps it, so a wait has an end.
"""

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Callable

PATIENCE = 0.5
"""Seconds. It is held for microseconds: a holder that runs, or has to wait for a processor, is done by then."""


class RecordLock:
    """The port `Lock`. It excludes processes from one another, and not the threads of one.

    After a wait that was in vain there is none until the lock is had again. `now`: monotonic seconds.
    """

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self._descriptor = _nameless_file(name)
        self._now = now
        self._patience = PATIENCE

    def acquire(self) -> bool:
        ends = self._now() + self._patience
        while True:
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if self._now() >= ends:
                    self._patience = 0.0
                    return False
                os.sched_yield()
            else:
                self._patience = PATIENCE
                return True

    def release(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def _nameless_file(purpose: str) -> int:
    if sys.platform == "linux":
        return os.memfd_create(purpose)
    descriptor, path = tempfile.mkstemp(prefix=purpose)
    os.unlink(path)
    return descriptor
