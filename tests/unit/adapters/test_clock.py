"""The machine's clocks."""

import time

from talaria.adapters.clock import MonotonicClock, wall
from talaria.adapters.contracts.small import ClockContract


class TestMonotonicClock(ClockContract):
    def clock(self) -> MonotonicClock:
        return MonotonicClock()


def test_wall_is_the_time_since_the_epoch() -> None:
    assert abs(wall() - time.time()) < 5
