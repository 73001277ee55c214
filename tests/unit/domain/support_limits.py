"""The moving window of the package `limits`, on a clock of the test's own: the reference for rate limits.

The storage asks `time.time()`. A copy of its module gets the test's clock, and the library's own module stays as it is.
"""

from collections.abc import Sequence
from importlib.util import find_spec, module_from_spec
from types import SimpleNamespace
from typing import Any

from limits import RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter

_clock = SimpleNamespace(now=0.0)
_clock.time = lambda: _clock.now


def _storage() -> Any:
    spec = find_spec("limits.storage.memory")
    if spec is None or spec.loader is None:
        raise AssertionError("limits is a development dependency")
    copy = module_from_spec(spec)
    spec.loader.exec_module(copy)
    vars(copy)["time"] = _clock
    return copy.MemoryStorage


_Storage = _storage()


def moving_window(amount: int, seconds: int, times: Sequence[float]) -> list[bool]:
    """Which of the requests at these times, in order, a window of this length with this many admits."""
    storage = _Storage()
    window, item = MovingWindowRateLimiter(storage), RateLimitItemPerSecond(amount, seconds)
    admitted = []
    for at in times:
        _clock.now = at
        admitted.append(window.hit(item, "key"))
    storage.timer.cancel()
    return admitted
