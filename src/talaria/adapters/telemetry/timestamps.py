"""Times as text: RFC 3339, in UTC."""

import time
from collections.abc import Callable

_ENDINGS = tuple(f".{millisecond:03d}Z" for millisecond in range(1000))


def rfc3339(seconds: float) -> str:
    """A moment, in seconds since the epoch, to the second: "2026-11-18T12:00:00Z"."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Timestamps:
    """The present with milliseconds; `clock` gives nanoseconds since the epoch."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._second = -1
        self._prefix = ""

    def now(self) -> str:
        """The time of this moment: "2026-11-18T12:00:00.123Z"."""
        return self.of(self._clock() // 1_000_000)

    def of(self, milliseconds: int) -> str:
        """That of a moment, in milliseconds since the epoch."""
        if milliseconds // 1000 != self._second:
            self._second = milliseconds // 1000
            self._prefix = rfc3339(self._second)[:-1]
        return self._prefix + _ENDINGS[milliseconds % 1000]
