"""What is told of one failure."""

import msgspec
import pytest

from talaria.adapters.telemetry.failure_log import PASSED_ON, AttemptRecord
from talaria.entrypoints.ops.timeline import Step, advice, facts_of, origin, steps
from talaria.entrypoints.public.problems import ROWS
from tests.support_rows import each_row
from tests.unit.entrypoints.ops.support_ops import failure_record


def test_its_origin_is_said_and_where_it_ended() -> None:
    assert origin(failure_record()) == "Origin: the partner. Ended in: exchange."
    passed = msgspec.structs.replace(failure_record(), origin="upstream", phase=PASSED_ON, reason="")
    assert origin(passed) == "Origin: the upstream. Its own answer, passed on to its end."


def test_what_is_empty_is_no_fact() -> None:
    assert facts_of(failure_record()) == [
        ("time", "2026-11-18T12:00:00.123Z"),
        ("request id", "r-1"),
        ("trace id", "t-1"),
        ("route", "wind"),
        ("method", "GET"),
        ("caller", "app"),
        ("exchange", "failed"),
        ("cause", "refused"),
        ("breakers", "wind open"),
    ]


@pytest.mark.parametrize(
    ("exchange", "healed", "said"), [(None, False, "not reached"), ("miss", True, "miss, healed once")]
)
def test_it_is_said_how_the_exchange_went(exchange: str | None, healed: bool, said: str) -> None:
    record = msgspec.structs.replace(failure_record(), exchange=exchange, healed=healed)
    assert dict(facts_of(record))["exchange"] == said


def test_steps_stand_in_their_order() -> None:
    attempts = [AttemptRecord("wind", 60.0, 5.0, "ok", "http://a"), AttemptRecord("personal", -3.0, 9.0, "timeout")]
    found = steps(msgspec.structs.replace(failure_record(), attempts=attempts, total_ms=70.0))
    assert found == [
        Step(-3.0, "personal (for an earlier request)", 9.0, "timeout"),
        Step(0.0, "the head of the request is here"),
        Step(60.0, "wind at http://a", 5.0, "ok"),
        Step(70.0, "answered 502 partner-unreachable"),
    ]
    assert [step.well for step in found] == [False, True, True, True]


@each_row("reason", [reason for reason, row in ROWS.items() if row.status >= 500] + [""])
def test_there_is_advice_for_each_reason(reason: str) -> None:
    origin = reason.partition("-")[0] if reason.partition("-")[0] in ("personal", "partner", "upstream") else "gateway"
    assert advice(msgspec.structs.replace(failure_record(), reason=reason, origin=origin))


def test_a_client_that_left_needs_no_advice() -> None:
    assert advice(msgspec.structs.replace(failure_record(), status=499, reason="client-gone", origin="client")) == ""


@pytest.mark.parametrize(
    ("cause", "advised"),
    [
        ("certificate expired", "tls.ca_file"),
        ("our credentials were refused", "talaria doctor"),
        ("personal: failing for 9 s, last: our credentials were refused", "talaria doctor"),
        ("partners.wind.rate_limit", "A limit of our configuration"),
    ],
)
@pytest.mark.parametrize("reason", ["partner-unreachable", "partner-bad-answer", "circuit-open"])
def test_a_cause_that_says_more_than_the_reason_has_an_advice_of_its_own(reason: str, cause: str, advised: str) -> None:
    record = msgspec.structs.replace(failure_record(), reason=reason, origin="partner")
    assert advised in advice(msgspec.structs.replace(record, cause=cause))
    assert advised not in advice(msgspec.structs.replace(record, cause="connection refused"))


def test_an_upstream_that_refuses_our_token_has_an_advice_of_its_own() -> None:
    passed = msgspec.structs.replace(failure_record(), origin="upstream", phase=PASSED_ON, reason="", cause="")
    assert "jwks.json" in advice(msgspec.structs.replace(passed, status=401))
    assert "jwks.json" not in advice(msgspec.structs.replace(passed, status=500))
