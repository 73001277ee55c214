"""An event loop on which time passes only while every task waits: minutes take no time, and no test depends on luck."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 10.0
"""For how many seconds threads may keep every task waiting; what is said from a thread waits for no moment."""


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
            if not (found := super().select(THREADS)):
                raise AssertionError("every task waits, and nothing will ever happen")
            return found
        if found := super().select(0):  # what is there already comes before any later moment
            return found
        self.now += timeout
        return super().select(0)

    def _wake(self) -> bool:
        waiting, self.settled = self.settled, []
        for one in waiting:
            if not one.done():
                one.set_result(None)
        return bool(waiting)


class JumpingLoop(asyncio.SelectorEventLoop):
    """The loop, and the clock of the domain too. `raised`: what callbacks raised, which no task of a test hears of."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        self.raised: list[BaseException] = []
        super().__init__(self._jumping)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What a loop would only log."""
        if "handle" in context and isinstance(raised := context.get("exception"), BaseException):
            self.raised.append(raised)
        super().call_exception_handler(context)

    def close(self) -> None:
        """Raises what a callback of it raised."""
        super().close()
        for raised in self.raised:
            raise raised

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for its threads, however much time that takes: since Python 3.12 a loop that ends has a `timeout`."""
        await super().shutdown_default_executor()

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
    """Run a coroutine on a loop of its own, for a test that is no coroutine. Raises what a callback of it raised."""
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
