"""The fan-out reaches everybody, and nobody's failure reaches the request."""

import logging

import pytest

from talaria.adapters.telemetry.recorder import Fanout
from talaria.domain.events import Attempt, Event, ExchangeFinished
from talaria.testing.contracts.small import RecorderContract

HIT, MISS = ExchangeFinished("wind", "hit"), ExchangeFinished("wind", "miss")


class TestFanout(RecorderContract):
    def recorder(self) -> Fanout:
        return Fanout({ExchangeFinished: [lambda event: None]})


def test_every_consumer_gets_every_event_in_order() -> None:
    first: list[Event] = []
    second: list[Event] = []
    fanout = Fanout({ExchangeFinished: [first.append, second.append]})
    fanout.record(HIT)
    fanout.record(MISS)
    assert first == second == [HIT, MISS]


def test_an_event_that_nobody_wants_passes() -> None:
    seen: list[Event] = []
    Fanout({ExchangeFinished: [seen.append]}).record(Attempt("wind", 0.0, 0.1, "ok"))
    assert seen == []


def test_a_failing_consumer_hurts_nobody_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError("no")

    fanout = Fanout({ExchangeFinished: [broken, seen.append]})
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            fanout.record(HIT)
    assert len(seen) == 3
    assert len(caplog.records) == 1
    assert "broken" in caplog.records[0].getMessage()


def test_another_kind_of_failure_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    errors = [ValueError(), KeyError(), ValueError()]

    def broken(event: Event) -> None:
        raise errors.pop()

    fanout = Fanout({ExchangeFinished: [broken]})
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            fanout.record(HIT)
    assert len(caplog.records) == 2
