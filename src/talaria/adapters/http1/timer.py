"""A deadline that moves with every request, watched by a timer that does not."""

import asyncio
from collections.abc import Callable
from typing import Final

NEVER: Final = float("inf")


class Patience:
    """Calls `expired` once the deadline has passed.

    Moving the deadline is an assignment in the common case, where it moves away: the timer looks when it goes off, and
    is armed again if it was too early. Times are the loop's.
    """

    __slots__ = ("_armed_for", "_expired", "_loop", "_timer", "deadline")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self.deadline = NEVER
        self._loop = loop
        self._expired = expired
        self._armed_for = NEVER
        self._timer: asyncio.TimerHandle | None = None

    def until(self, deadline: float) -> None:
        """Move the deadline, to NEVER too."""
        self.deadline = deadline
        if deadline < self._armed_for:
            self._arm(deadline)

    def end(self) -> None:
        """Watch no more."""
        self.deadline = self._armed_for = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = at
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer, self._armed_for = None, NEVER
        if self.deadline <= self._loop.time():
            self.deadline = NEVER
            self._expired()
        elif self.deadline != NEVER:
            self._arm(self.deadline)
