"""A deadline that moves with every request, watched by a timer that does not."""

import asyncio
from collections.abc import Callable
from typing import Final

NEVER: Final = float("inf")


class MovableDeadline:
    """Calls `on_expired` once the deadline `at` (seconds of the loop's clock) has passed.

    To move a deadline further away is an assignment: the timer looks when it goes off, and is armed again if it was
    too early.
    """

    __slots__ = ("_armed_for", "_loop", "_on_expired", "_timer", "at")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_expired: Callable[[], None]) -> None:
        self.at = NEVER
        self._loop = loop
        self._on_expired = on_expired
        self._armed_for = NEVER
        self._timer: asyncio.TimerHandle | None = None

    def move(self, at: float) -> None:
        """Set the deadline; NEVER for none."""
        self.at = at
        if at < self._armed_for:
            self._arm(at)

    def cancel(self) -> None:
        """Stop watching."""
        self.at = self._armed_for = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._armed_for = None, NEVER
        if self.at <= self._loop.time():
            self.at = NEVER
            self._on_expired()
        elif self.at != NEVER:
            self._arm(self.at)
