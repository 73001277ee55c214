"""Time of this machine."""

import time


class MonotonicClock:
    """The port `Clock` on the system's monotonic clock."""

    __slots__ = ()

    now = staticmethod(time.monotonic)


def wall() -> float:
    """Seconds since the epoch. Can jump: for tokens and log lines, never for deadlines."""
    return time.time()
