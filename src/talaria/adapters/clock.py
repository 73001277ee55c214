"""Time of this machine."""

import time


class MonotonicClock:
    """The port `Clock` on the system's monotonic clock."""

    __slots__ = ()

    now = staticmethod(time.monotonic)
