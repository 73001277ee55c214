"""The machine's clocks."""

from talaria.adapters.clock import MonotonicClock
from talaria.testing.contracts.clock import ClockContract


class TestMonotonicClock(ClockContract):
    def clock(self) -> MonotonicClock:
        return MonotonicClock()
