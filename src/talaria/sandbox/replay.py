"""What a partner with signatures does against a request that comes twice."""

import time
from collections import OrderedDict
from collections.abc import Callable


class ReplayProtection:
    """A nonce is good once, a time for `window` seconds, either way. `wall` gives seconds since the epoch."""

    def __init__(self, window: float = 30.0, wall: Callable[[], float] = time.time) -> None:
        self._window = window
        self._wall = wall
        self._seen: OrderedDict[str, float] = OrderedDict()

    def admits(self, at: str, nonce: str) -> bool:
        """Whether a request of this time, in whole seconds, with this nonce is a new one. Remembers the nonce."""
        now = self._wall()
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)
        if not (at.isascii() and at.isdigit()) or abs(int(at) - now) > self._window or not nonce or nonce in self._seen:
            return False
        self._seen[nonce] = now + 2 * self._window
        return True
