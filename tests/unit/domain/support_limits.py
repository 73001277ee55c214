"""The moving window of the package `limits`, on a clock of the test's own: the reference for rate limits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, memory
from limits.strategies import MovingWindowRateLimiter


@contextmanager
def _clock() -> Iterator[SimpleNamespace]:
    """What the storage takes for the time."""
    clock = SimpleNamespace(now=0.0)
    with patch.object(memory, "time", SimpleNamespace(time=lambda: clock.now)):
        yield clock


def moving_window(amount: int, seconds: int, times: Sequence[float]) -> list[bool]:
    """Which of the requests at these times, in order, a window of this length with this many admits."""
    with _clock() as clock:
        storage = MemoryStorage()
        storage.timer.cancel()
        window, item = MovingWindowRateLimiter(storage), RateLimitItemPerSecond(amount, seconds)
        admitted = []
        for clock.now in times:
            admitted.append(window.hit(item, "key"))
            storage.timer.cancel()
        return admitted
