"""The rate limiters of an instance: one memory for all of its processes and configurations.

It is made before the processes are forked. So what has been counted goes on in a process that takes another's place,
and after a reload while a limit is the same.
"""

import threading
from mmap import mmap

from talaria.domain.arrival_times import CELL_BYTES, ArrivalTimes, Lock
from talaria.domain.rate_limits import CallerRateLimits, RateLimit, RateLimiter
from talaria.entrypoints.config import Settings

_NAMED = 1 << 15
"""Cells of callers and partners: so many more than there are of either that each has one, whatever persons do."""
_PERSONS = 1 << 19
"""The memory of both, 12.75 MiB, is the kernel's until a cell is used."""


class RateLimiters:
    """`lock`: one between processes, where there are several. `persons`: how many cells are for persons."""

    def __init__(self, lock: Lock | None = None, persons: int = _PERSONS) -> None:
        self.lock = lock or threading.Lock()
        self._named, self._persons = (
            ArrivalTimes(memoryview(mmap(-1, cells * CELL_BYTES)), self.lock) for cells in (_NAMED, persons)
        )

    def named(self, path: str, limit: RateLimit | None) -> RateLimiter | None:
        """The limiter of the setting at this path, which is about one caller or partner; None without a limit."""
        return None if limit is None else RateLimiter(path, limit, self._named)

    def of_callers(self, settings: Settings) -> CallerRateLimits:
        """The limits of callers and of their persons."""
        callers, persons = {}, {}
        for name, caller in settings.callers.items():
            if caller.rate_limit is not None:
                callers[name] = RateLimiter(f"callers.{name}.rate_limit", caller.rate_limit, self._named)
            if caller.person_rate_limit is not None:
                path = f"callers.{name}.person_rate_limit"
                persons[name] = RateLimiter(path, caller.person_rate_limit, self._persons)
        return CallerRateLimits(callers, persons, self.lock)
