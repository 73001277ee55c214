"""What every `Clock` does."""

from talaria.domain.ports import Clock


class ClockContract:
    """Derive, and give a `clock`."""

    def clock(self) -> Clock:
        """One that runs, or is moved by the test."""
        raise NotImplementedError

    def test_it_never_goes_back(self) -> None:
        clock = self.clock()
        times = [clock.now() for _ in range(100)]
        assert times == sorted(times)
        assert all(isinstance(time, float) for time in times)
