"""The record of a request, and what it shares with no other."""

from typing import get_args

from talaria.domain.events import Attempt, Event, ExchangeFinished, HopContext, RequestContext, RequestFinished
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


def test_the_recorder_contract_has_every_kind_of_event() -> None:
    assert {type(event) for event in [*EVENTS, FORWARDED]} == set(get_args(Event))
