"""The fields of a finished request's line."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.telemetry.request_line import clipped, forwarded_line, request_line
from talaria.domain.events import Attempt, FlowLabels, RequestContext, RequestFinished, RequestForwarded

NOON = "2026-11-18T12:00:00.123Z"
LABELS = FlowLabels("wind", "wind", "services", "app", "0123456789ab")
FORWARDED = RequestForwarded(LABELS, "r-1", "a" * 32, "GET", 200, 0, 2, 0.0123456, 0.0100009, 1.0, "http://a")


def finished(*dependencies: str, cause: str = "") -> RequestFinished:
    attempts = [Attempt(name, 1.0, 1.5, "ok") for name in dependencies]
    context = RequestContext("r-1", tag="wind", attempts=attempts)
    return RequestFinished(context, "GET", 200, "", "upstream", 1, 2, 0.0017, cause)


@pytest.mark.parametrize(
    ("dependencies", "retries"),
    [
        ((), 0),
        (("wind",), 0),
        (("wind", "wind"), 1),
        (("personal", "wind", "services"), 0),
        (("wind", "wind", "services", "services"), 2),
    ],
)
def test_a_retry_is_another_attempt_at_the_same_dependency(dependencies: tuple[str, ...], retries: int) -> None:
    line = request_line(finished(*dependencies), NOON)
    assert (line.attempts, line.retries) == (len(dependencies), retries)


@pytest.mark.parametrize(
    ("exchange", "personal_ms", "partner_ms"),
    [("miss", 3000.0, 1500.0), ("failed", 3000.0, 1500.0), ("hit", 0.0, 0.0), (None, 0.0, 0.0)],
)
def test_the_times_of_the_exchange_are_all_its_attempts(exchange: Any, personal_ms: float, partner_ms: float) -> None:
    event = finished("personal", "personal", "bolt", "services")
    event.context.exchange, event.context.partner = exchange, "bolt"
    line = request_line(event, NOON, 3)
    assert (line.personal_ms, line.partner_ms, line.worker) == (personal_ms, partner_ms, 3)


def test_the_time_of_a_canary_is_the_partners() -> None:
    event = finished("personal", "bolt.canary", "bolt.canary", "other.canary")
    event.context.exchange, event.context.partner = "miss", "bolt"
    line = request_line(event, NOON)
    assert (line.personal_ms, line.partner_ms) == (1500.0, 3000.0)


def test_times_are_milliseconds() -> None:
    line = request_line(finished(), NOON)
    assert (line.time, line.total_ms, line.bytes_in, line.bytes_out) == (NOON, 1.7, 1, 2)


def test_what_is_clipped_is_short_and_can_be_encoded() -> None:
    line = clipped(request_line(finished(cause="\ud800" + "x" * 1000), NOON))
    assert len(line.cause) <= 200
    assert line.cause.encode().startswith(b"\\ud800xxx")
    assert (line.time, line.status) == (NOON, 200)


def test_the_line_of_the_fast_path() -> None:
    assert msgspec.json.encode(forwarded_line(FORWARDED, NOON, 3)).decode() == (
        '{"time":"2026-11-18T12:00:00.123Z","level":"info","event":"request","request_id":"r-1",'
        f'"trace_id":"{"a" * 32}","tag":"wind","method":"GET","status":200,"reason":"","origin":"upstream",'
        '"caller":"app","exchange":"hit","attempts":1,"bytes_in":0,"bytes_out":2,"total_ms":12.345,'
        '"upstream_ms":10.0,"worker":3,"person":"0123456789ab"}'
    )


def test_the_line_of_a_decision() -> None:
    decided = FORWARDED._replace(upstream_seconds=0.0, address="", bytes_out=0, edge=True)
    line = msgspec.json.encode(forwarded_line(decided, NOON, 3)).decode()
    assert '"origin":"","caller":"app","exchange":"hit","attempts":0,' in line
    assert line.endswith('"upstream_ms":0.0,"worker":3,"person":"0123456789ab","edge":true}')


NAMES = st.text(max_size=20)
SECONDS = st.floats(0.0, 1e6)


@given(
    st.builds(
        RequestForwarded,
        st.builds(FlowLabels, NAMES, NAMES, NAMES, NAMES, NAMES),
        NAMES,
        NAMES,
        NAMES,
        st.integers(200, 399),
        st.integers(0, 10**9),
        st.integers(0, 10**9),
        SECONDS,
        SECONDS,
        SECONDS,
        NAMES,
        edge=st.booleans(),
    )
)
def test_the_line_is_the_same_by_either_path(event: RequestForwarded) -> None:
    assert forwarded_line(event, NOON, 1) == request_line(event.as_finished(), NOON, 1)
