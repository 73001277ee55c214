"""The record of a request, and what it shares with no other."""

from typing import get_args

from talaria.domain.events import (
    Attempt,
    Event,
    ExchangeFinished,
    FlowLabels,
    HopContext,
    RequestContext,
    RequestFinished,
    RequestForwarded,
)
from talaria.testing.contracts.recorder import EVENTS, FORWARDED


def test_a_record_shares_its_attempts_with_no_other() -> None:
    for kind in (RequestContext, lambda: HopContext("r-1", 1.0)):
        first, second = kind(), kind()
        first.attempts.append(Attempt("personal", 0.0, 0.1, "ok"))
        assert second.attempts == []


def test_a_record_begins_before_anything_is_known() -> None:
    context = RequestContext()
    assert (context.phase, context.tag, context.caller, context.person) == ("head", "", "", "")
    assert context.exchange is None


def test_events_are_compared_by_content() -> None:
    assert Attempt("wind", 0.0, 0.1, "ok") == Attempt("wind", 0.0, 0.1, "ok", address="")
    assert ExchangeFinished("wind", "hit") != ExchangeFinished("wind", "miss")
    finished = RequestFinished(RequestContext(), "GET", 200, "", "upstream", 1, 2, 0.1)
    assert finished.cause == ""


def test_a_request_of_the_fast_path_ends_as_one_of_the_slow_path() -> None:
    labels = FlowLabels("scooters", "wind", "services", "app", "0123456789ab")
    event = RequestForwarded(labels, "r-1", "t-1", "GET", 200, 1, 2, 0.3, 0.2, 9.0, "http://a")
    for edge, attempts in ((False, [Attempt("services", 7.0, 0.2, "ok", "http://a")]), (True, [])):
        context = RequestContext(
            "r-1", "t-1", "scooters", "app", exchange="hit", upstream_seconds=0.2, attempts=attempts
        )
        context.person, context.started, context.edge, context.partner = "0123456789ab", 7.0, edge, "wind"
        end = RequestFinished(context, "GET", 200, "", "" if edge else "upstream", 1, 2, 0.3)
        assert event._replace(edge=edge).as_finished(7.0) == end


def test_the_recorder_contract_has_every_kind_of_event() -> None:
    assert {type(event) for event in [*EVENTS, FORWARDED]} == set(get_args(Event))
