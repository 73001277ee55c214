"""Each handler gets its events, and the failure of one reaches neither the request nor another; names of persons."""

import hashlib
import hmac
import logging

import pytest

from talaria.adapters.telemetry.recorder import EventBus, log_shadow, pseudonyms
from talaria.domain.events import Attempt, Event, ExchangeFinished, ShadowAnswered
from talaria.domain.model import PersonalPhoneId
from talaria.testing.contracts.recorder import RecorderContract

ANNA = PersonalPhoneId("ppid-anna")
HIT, MISS = ExchangeFinished("wind", "hit"), ExchangeFinished("wind", "miss")


class TestEventBus(RecorderContract):
    def recorder(self) -> EventBus:
        return EventBus({ExchangeFinished: [lambda event: None]})


def test_every_handler_gets_every_event_in_order() -> None:
    first: list[Event] = []
    second: list[Event] = []
    bus = EventBus({ExchangeFinished: [first.append, second.append]})
    bus.record(HIT)
    bus.record(MISS)
    assert first == second == [HIT, MISS]


def test_an_event_without_a_handler_passes() -> None:
    seen: list[Event] = []
    EventBus({ExchangeFinished: [seen.append]}).record(Attempt("wind", 0.0, 0.1, "ok"))
    assert seen == []


def test_a_failing_handler_hurts_no_other_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError("no")

    bus = EventBus({ExchangeFinished: [broken, seen.append]})
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            bus.record(HIT)
    assert len(seen) == 3
    assert len(caplog.records) == 1
    assert "broken" in caplog.records[0].getMessage()


def test_another_kind_of_failure_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    errors = [ValueError(), KeyError(), ValueError()]

    def broken(event: Event) -> None:
        raise errors.pop()

    bus = EventBus({ExchangeFinished: [broken]})
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            bus.record(HIT)
    assert len(caplog.records) == 2


def test_it_is_twelve_digits_of_the_keyed_hash() -> None:
    expected = hmac.new(b"k" * 32, b"app\0ppid-anna", hashlib.sha256).hexdigest()[:12]
    assert pseudonyms(b"k" * 32)("app", ANNA) == expected


def test_the_same_person_has_the_same_one_and_others_have_others() -> None:
    of = pseudonyms(b"k" * 32)
    assert of("app", ANNA) == of("app", PersonalPhoneId("ppid-anna"))
    others = {of("app", PersonalPhoneId("ppid-boris")), of("web", ANNA), pseudonyms(b"j" * 32)("app", ANNA)}
    assert len(others | {of("app", ANNA)}) == 4


def test_a_border_between_caller_and_id_can_not_be_moved() -> None:
    of = pseudonyms(b"k" * 32)
    assert of("app", PersonalPhoneId("xppid")) != of("appx", PersonalPhoneId("ppid"))


def test_a_comparison_is_a_line_with_a_pseudonym(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_shadow(ShadowAnswered("wind", "wind_v2", "other", "0123456789ab", "r-1"))
    (record,) = caplog.records
    said = {name: getattr(record, name) for name in ShadowAnswered._fields}
    assert said == {
        "partner": "wind",
        "adapter": "wind_v2",
        "result": "other",
        "person": "0123456789ab",
        "request_id": "r-1",
    }
