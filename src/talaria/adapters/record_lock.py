"""A lock between the processes that a fork made, of memory alone: a record lock (fcntl) of a file without a name.

The kernel takes it from a process that dies. A holder that is stopped in the middle keeps it, so a wait has an end.
"""

import fcntl
import os
import time

PATIENCE = 0.5
"""Seconds. It is held for microseconds: a holder that runs, or has to wait for a processor, is done by then."""


class RecordLock:
    """The port `Lock`. It excludes processes from one another, and not the threads of one.

    `patience`: seconds of a wait. After one that was in vain none is repeated until the lock is had again.
    """

    def __init__(self, name: str, patience: float = PATIENCE) -> None:
        self._descriptor = os.memfd_create(name)
        self._patience = self._patience_now = patience

    def acquire(self) -> bool:
        ends = time.monotonic() + self._patience_now
        while not self._is_ours():
            if time.monotonic() >= ends:
                self._patience_now = 0.0
                return False
            os.sched_yield()
        self._patience_now = self._patience
        return True

    def release(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _is_ours(self) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
