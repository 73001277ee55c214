"""Every refusal has its row, every row its refusal, and each answer the form of RFC 9457."""

import json
import re
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from talaria.domain import errors
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.problems import ROWS, render
from talaria.testing import MemoryRecorder
from tests.support_refusals import MAKERS
from tests.support_rows import each_row
from tests.unit.entrypoints.public.support_events import finished

CONTRACT = {
    "missing-api-tag": 400,
    "ambiguous-api-tag": 400,
    "unknown-api-tag": 404,
    "bad-request-target": 400,
    "bad-request": 400,
    "method-not-allowed": 405,
    "method-not-implemented": 501,
    "deadline-exceeded": 504,
    "upload-timeout": 408,
    "headers-too-large": 431,
    "target-too-long": 414,
    "body-too-large": 413,
    "missing-token": 401,
    "invalid-token": 401,
    "expired-token": 401,
    "caller-not-allowed": 403,
    "rate-limited": 429,
    "identity-unknown": 403,
    "partner-user-unknown": 403,
    "partner-user-refused": 403,
    "personal-unreachable": 502,
    "partner-unreachable": 502,
    "upstream-unreachable": 502,
    "personal-bad-answer": 502,
    "partner-bad-answer": 502,
    "upstream-bad-answer": 502,
    "personal-timeout": 504,
    "partner-timeout": 504,
    "upstream-timeout": 504,
    "personal-overloaded": 503,
    "partner-overloaded": 503,
    "circuit-open": 503,
    "overloaded": 503,
    "decision-failed": 503,
    "draining": 503,
    "keys-unavailable": 503,
    "internal-error": 500,
}


def answer(refusal: errors.Refusal) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers (each name once) and document."""
    status, pairs, body = render(refusal, "r-1")
    headers = {name.decode(): value.decode() for name, value in pairs}
    assert len(headers) == len(pairs)
    return status, headers, json.loads(body)


def test_each_leaf_of_the_tree_has_a_row_and_each_row_a_leaf() -> None:
    assert MAKERS.keys() == ROWS.keys()


def test_the_statuses_are_those_of_the_contract() -> None:
    assert {reason: row.status for reason, row in ROWS.items()} == CONTRACT


@each_row("reason", MAKERS)
def test_each_refusal_takes_the_form_of_a_problem(reason: str) -> None:
    status, headers, document = answer(MAKERS[reason]("10.0.0.7 said +491710000001"))
    row = ROWS[reason]
    assert document == {
        "type": f"urn:talaria:problem:{reason}",
        "title": row.title,
        "status": status,
        "detail": row.detail,
        "reason": reason,
        "request_id": "r-1",
    }
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"] == "r-1"
    assert "10.0.0.7" not in str(headers)


@each_row("reason", sorted(ROWS))
def test_the_detail_is_a_sentence(reason: str) -> None:
    assert re.fullmatch(r"[A-Z].+\.", ROWS[reason].detail)


def test_what_is_counted_as_a_failure_names_its_origins_and_an_advice() -> None:
    failures = {reason for reason, row in ROWS.items() if row.status >= 500}
    assert {reason for reason, row in ROWS.items() if row.origins} == failures
    assert {reason for reason, row in ROWS.items() if row.advice} == failures | {"invalid-token"}  # its cause is a word
    assert all(re.fullmatch(r"[A-Z].+[.?]", ROWS[reason].advice) for reason in failures)
    assert all(MAKERS[reason]("").origin in ROWS[reason].origins for reason in failures)


def test_a_refused_method_names_the_allowed_ones_in_order() -> None:
    assert answer(errors.MethodNotAllowed(frozenset({"POST", "GET"})))[1]["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("kind", "challenge"),
    [
        (errors.MissingToken, "Bearer"),
        (errors.InvalidToken, 'Bearer error="invalid_token"'),
        (errors.ExpiredToken, 'Bearer error="invalid_token"'),
    ],
)
def test_a_refused_token_is_answered_with_a_challenge(kind: type[errors.Refusal], challenge: str) -> None:
    assert answer(kind())[1]["www-authenticate"] == challenge


def test_only_401_challenges() -> None:
    for make in MAKERS.values():
        status, headers, _ = answer(make())
        assert ("www-authenticate" in headers) == (status == 401)


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (errors.CircuitOpen("partner"), "1"),
        (errors.CircuitOpen("partner", retry_after=4.01), "5"),
        (errors.GatewayOverloaded(), "1"),
        (errors.Overloaded("partner", retry_after=0.2), "1"),
        (errors.Overloaded("personal", retry_after=7.0), "7"),
        (errors.Overloaded("personal"), None),
        (errors.Overloaded("personal", retry_after=float("inf")), "86400"),
    ],
)
def test_retry_after(refusal: errors.Refusal, seconds: str | None) -> None:
    assert answer(refusal)[1].get("retry-after") == seconds


@given(st.floats(allow_nan=True))
def test_retry_after_is_always_whole_seconds_of_a_day_at_most(seconds: float) -> None:
    value = answer(errors.CircuitOpen("upstream", retry_after=seconds))[1]["retry-after"]
    assert 1 <= int(value) <= 86_400


def test_draining_closes_the_connection() -> None:
    assert answer(errors.Draining())[1]["connection"] == "close"


def test_the_proxy_status_names_what_happened() -> None:
    assert answer(errors.TimedOut("upstream"))[1]["proxy-status"] == "talaria; error=http_response_timeout"
    assert "proxy-status" not in answer(errors.KeysUnavailable())[1]


def test_an_odd_request_id_can_not_break_the_answer() -> None:
    _, headers, body = render(errors.MissingToken(), 'é"')
    assert json.loads(body)["request_id"] == 'é"'
    assert dict(headers)[b"x-request-id"] == b'?"'


def test_the_date_is_written_once_a_second(mocker: MockerFixture) -> None:
    write = mocker.spy(problems, "formatdate")
    mocker.patch("talaria.entrypoints.public.problems.time").time.side_effect = [1e9, 1e9 + 0.9, 1e9 + 1]
    assert [problems.date_header() for _ in range(3)] == [
        (b"date", b"Sun, 09 Sep 2001 01:46:40 GMT"),
        (b"date", b"Sun, 09 Sep 2001 01:46:40 GMT"),
        (b"date", b"Sun, 09 Sep 2001 01:46:41 GMT"),
    ]
    assert write.call_count == 2


@pytest.mark.parametrize("refusal", [errors.BadRequest("x : y"), errors.UploadTimeout("silent")])
def test_a_rejected_head_gets_a_whole_response_the_last_of_its_connection(refusal: errors.Refusal) -> None:
    recorder = MemoryRecorder()
    head, _, body = problems.RejectedHeads(recorder).refuse(refusal).partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert first == b"HTTP/1.1 %d %b" % (
        ROWS[refusal.reason].status,
        HTTPStatus(ROWS[refusal.reason].status).phrase.encode(),
    )
    assert len(headers) == len(lines)
    assert (headers[b"connection"], int(headers[b"content-length"])) == (b"close", len(body))
    assert b"date" in headers
    event = finished(recorder)
    assert (event.method, event.status, event.reason, event.origin) == (
        "",
        ROWS[refusal.reason].status,
        refusal.reason,
        "client",
    )
    assert (event.cause, event.bytes_out, event.seconds) == (refusal.cause, len(body), 0.0)
    assert event.context.request_id == json.loads(body)["request_id"] == headers[b"x-request-id"].decode()


def test_a_head_that_is_cut_off_is_recorded_as_a_client_that_left() -> None:
    recorder = MemoryRecorder()
    problems.RejectedHeads(recorder).cut_off("slow with its head")
    event = finished(recorder)
    assert (event.status, event.reason, event.origin, event.cause) == (
        499,
        "client-gone",
        "client",
        "slow with its head",
    )
    assert (event.bytes_in, event.bytes_out, len(event.context.request_id)) == (0, 0, 32)


@pytest.mark.parametrize(
    ("given", "kept"), [([b"r-1"], True), ([b"r-1", b"r-1"], False), ([b"r 1"], False), ([b""], False), ([], False)]
)
def test_the_request_id_is_the_clients_where_it_is_usable(given: list[bytes], kept: bool) -> None:
    found = problems.request_id_of([(b"x-request-id", value) for value in given])
    assert (found == "r-1") is kept
    assert kept or re.fullmatch("[0-9a-f]{32}", found)
