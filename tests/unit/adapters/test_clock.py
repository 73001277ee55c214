"""The machine's clocks."""

from pytest_mock import MockerFixture

from talaria.adapters.clock import MonotonicClock, wall
from talaria.testing.contracts.clock import ClockContract


class TestMonotonicClock(ClockContract):
    def clock(self) -> MonotonicClock:
        return MonotonicClock()


def test_wall_is_the_time_since_the_epoch(mocker: MockerFixture) -> None:
    mocker.patch("talaria.adapters.clock.time").time.return_value = 12.5
    assert wall() == 12.5
