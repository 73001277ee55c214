"""An event loop on which time passes only while every task waits: minutes take no time, and no test depends on luck."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Instead of sleeping it moves the time, or wakes what waits for that moment."""

    now = 1000.0

    def __init__(self) -> None:
        super().__init__()
        self.settled: list[asyncio.Future[None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0 or self._wake():
            return super().select(0)
        if timeout is None:
            raise AssertionError("every task waits, and nothing will ever happen")
        self.now += timeout
        return super().select(0)

    def _wake(self) -> bool:
        waiting, self.settled = self.settled, []
        for one in waiting:
            if not one.done():
                one.set_result(None)
        return bool(waiting)


class JumpingLoop(asyncio.SelectorEventLoop):
    """The loop, and the clock of the domain too."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def now(self) -> float:
        """The port `Clock`."""
        return self._jumping.now

    async def settle(self) -> None:
        """Let everything that can happen without time passing happen."""
        settled = self.create_future()
        self._jumping.settled.append(settled)
        await settled

    def move(self, seconds: float) -> None:
        """Let time pass at once, before any task wakes."""
        self._jumping.now += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)


def clock() -> JumpingLoop:
    """The clock of the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    return loop


async def settle() -> None:
    """Let everything that can happen without time passing happen."""
    await clock().settle()
