"""A deadline that moves without touching its timer."""

import asyncio
from collections.abc import Callable
from typing import cast

from talaria.adapters.http1.timer import NEVER, MovableDeadline


class _Handle:
    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _Loop:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.armed: list[_Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, callback: Callable[[], None]) -> _Handle:
        self.armed.append(_Handle(at, callback))
        return self.armed[-1]

    def move_to(self, now: float) -> None:
        self.now = now
        for handle in list(self.armed):
            if handle.at <= now and not handle.cancelled:
                self.armed.remove(handle)
                handle.callback()


def _deadline() -> tuple[_Loop, MovableDeadline, list[float]]:
    loop = _Loop()
    expired: list[float] = []
    return loop, MovableDeadline(cast(asyncio.AbstractEventLoop, loop), lambda: expired.append(loop.now)), expired


def test_it_ends_at_the_deadline() -> None:
    loop, deadline, expired = _deadline()
    deadline.move(10.0)
    loop.move_to(9.9)
    assert expired == []
    loop.move_to(10.0)
    loop.move_to(99.0)
    assert expired == [10.0]


def test_a_thousand_moves_arm_one_timer() -> None:
    loop, deadline, expired = _deadline()
    for request in range(1000):
        loop.now = request / 1000
        deadline.move(loop.now + 10.0)
        deadline.at = NEVER
    assert len(loop.armed) == 1
    loop.move_to(10.0)
    assert expired == []
    assert loop.armed == []


def test_a_deadline_that_moved_away_is_kept() -> None:
    loop, deadline, expired = _deadline()
    deadline.move(10.0)
    deadline.move(15.0)
    loop.move_to(10.0)
    assert expired == []
    loop.move_to(15.0)
    assert expired == [15.0]


def test_a_deadline_that_came_nearer_is_kept() -> None:
    loop, deadline, expired = _deadline()
    deadline.move(10.0)
    deadline.move(2.0)
    loop.move_to(2.0)
    assert expired == [2.0]


def test_after_its_end_nothing_expires() -> None:
    loop, deadline, expired = _deadline()
    deadline.move(10.0)
    deadline.cancel()
    loop.move_to(20.0)
    assert expired == []
    assert all(handle.cancelled for handle in loop.armed)


def test_no_deadline_arms_nothing() -> None:
    loop, deadline, _ = _deadline()
    deadline.move(NEVER)
    assert loop.armed == []
