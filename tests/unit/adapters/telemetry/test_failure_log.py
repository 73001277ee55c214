"""What the failure log keeps, and for how long."""

from typing import Any

import msgspec
import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from talaria.adapters.telemetry.failure_log import (
    ATTEMPTS_KEPT,
    PASSED_ON,
    AttemptRecord,
    FailureLog,
    FailureRecord,
    FailureRecords,
    RecordFilter,
)
from talaria.adapters.telemetry.recorder import EventBus
from talaria.adapters.telemetry.request_line import request_line
from talaria.domain.events import Attempt, ExchangeFinished, RequestContext, RequestFinished
from talaria.testing.contracts.recorder import RecorderContract
from tests.unit.entrypoints.ops.support_ops import failure_record


def failure_log(**options: Any) -> FailureLog:
    return FailureLog(**({"clock": lambda: 500_000_000} | options))


def ended(request_id: str = "r-1", status: int = 502, context: RequestContext | None = None) -> RequestFinished:
    context = context or RequestContext(request_id, "t-1", "wind", "app", "exchange")
    return RequestFinished(context, "GET", status, "partner-unreachable", "partner", 0, 90, 0.75, "refused")


def test_a_record_tells_how_the_request_went() -> None:
    attempts = [Attempt("wind", 99.3, 0.25, "503"), Attempt("wind", 99.7, 0.1, "refused", "10.0.0.7:443")]
    context = RequestContext("r-1", "t-1", "wind", "app", "exchange", "failed", False, 0.0, attempts)
    context.person, context.started = "0123456789ab", 99.25
    kept = failure_log(states=lambda: {"wind": "open"})
    kept.record(ended(context=context))
    assert kept.records.find("r-1") == replace(
        failure_record(),
        time="1970-01-01T00:00:00.500Z",
        attempts=[
            AttemptRecord("wind", 50.0, 250.0, "503"),
            AttemptRecord("wind", 450.0, 100.0, "refused", "10.0.0.7:443"),
        ],
        person="0123456789ab",
    )


def test_a_record_keeps_the_last_attempts_of_a_poll_without_end() -> None:
    attempts = [Attempt("wind", float(number), 0.0, "ok") for number in range(10_000)]
    kept = failure_log()
    kept.record(ended(context=RequestContext("r-1", attempts=attempts)))
    (record,) = kept.records.last(1)
    assert [one.at_ms for one in record.attempts] == [
        1000.0 * number for number in range(10_000 - ATTEMPTS_KEPT, 10_000)
    ]


def test_the_upstreams_own_answer_ended_nowhere_but_at_its_end() -> None:
    kept = failure_log()
    kept.record(
        RequestFinished(
            RequestContext("r-1", "t-1", "wind", "app", "body"), "GET", 500, "", "upstream", 0, 90, 0.75, ""
        )
    )
    assert (kept.records.last(1)[0].phase, kept.records.last(1)[0].reason) == (PASSED_ON, "")


@pytest.mark.parametrize("status", [200, 304, 399])
def test_what_is_no_failure_is_not_kept(status: int) -> None:
    kept = failure_log()
    kept.record(ended(status=status))
    kept.record(ExchangeFinished("wind", "failed"))
    assert kept.records.recorded == 0


def test_those_below_500_are_kept_by_reason_and_take_the_place_of_no_failure() -> None:
    kept = failure_log(kept=3)
    kept.record(ended("r-1"))
    kept.record(ended("c-0", 403)._replace(reason="caller-not-allowed", origin="client"))
    for number in range(1000):
        kept.record(ended(f"t-{number}", 401)._replace(reason="invalid-token", origin="client"))
    assert [record.request_id for record in kept.records.last(10)] == ["r-1"]
    refused = kept.records.last(1000, RecordFilter(status="4xx"))
    assert len(refused) == 51
    assert refused[0].request_id == "t-999"
    assert kept.records.find("c-0") is not None
    assert kept.records.find("t-0") is None


def test_what_a_client_wrote_is_clipped() -> None:
    kept = failure_log()
    kept.record(ended("c-1", 404, RequestContext("c-1", tag="x" * 30_000)))
    (record,) = kept.records.last(1, RecordFilter(status="404"))
    assert len(record.tag) < 200


@pytest.mark.parametrize(
    ("asked", "admitted"),
    [
        ({}, True),
        ({"status": "502"}, True),
        ({"status": "5xx"}, True),
        ({"status": "4xx"}, False),
        ({"status": "504"}, False),
        ({"reason": "partner-unreachable"}, True),
        ({"reason": "partner-timeout"}, False),
        ({"caller": "app", "route": "wind"}, True),
        ({"caller": "other"}, False),
        ({"route": "other"}, False),
        ({"since": "2026-11-18T12:00:00Z"}, True),
        ({"since": "2026-11-18T12:00:00.124Z"}, False),
        ({"until": "2026-11-18T12:00:00.123Z"}, True),
        ({"until": "2026-11-18T12:00:00Z"}, False),
    ],
)
def test_what_a_filter_admits(asked: dict[str, str], admitted: bool) -> None:
    assert RecordFilter(**asked).admits(failure_record()) is admitted


def test_the_states_are_those_of_the_moment() -> None:
    states = {"wind": "open"}
    kept = failure_log(states=lambda: states)
    kept.record(ended())
    states["wind"] = "closed"
    (record,) = kept.records.last(1)
    assert record.breakers == {"wind": "open"}


def test_the_oldest_goes_first() -> None:
    kept = failure_log(kept=3)
    for number in range(5):
        kept.record(ended(f"r-{number}"))
    assert [record.request_id for record in kept.records.last(10)] == ["r-4", "r-3", "r-2"]
    assert [record.request_id for record in kept.records.last(2)] == ["r-4", "r-3"]
    assert kept.records.find("r-1") is None


def test_of_several_of_one_id_the_newest_is_found() -> None:
    kept = failure_log()
    kept.record(ended(status=502))
    kept.record(ended(status=504))
    record = kept.records.find("r-1")
    assert record is not None
    assert record.status == 504


def test_records_of_several_logs_are_listed_by_time() -> None:
    moments = iter([1_000_000_000, 3_000_000_000, 2_000_000_000])
    first, second = failure_log(clock=lambda: next(moments)), failure_log(clock=lambda: next(moments))
    first.record(ended("r-1"))
    first.record(ended("r-3"))
    second.record(ended("r-2"))
    together = FailureRecords()
    for record in [*first.records.after(0), *second.records.after(0)]:
        together.add(record)
    assert [record.request_id for record in together.last(2)] == ["r-3", "r-2"]


def test_the_refusals_of_an_open_circuit_take_the_place_of_no_failure_and_can_be_found() -> None:
    kept = failure_log(kept=3)
    kept.record(ended("r-1"))
    for number in range(1000):
        kept.record(ended(f"c-{number}", 503)._replace(reason="circuit-open"))
    kept.record(ended("r-2"))
    assert [record.request_id for record in kept.records.last(10)] == ["r-2", "r-1"]
    assert kept.records.find("c-999") is not None
    assert kept.records.find("c-0") is None
    assert kept.records.recorded == 1002


def test_what_came_after_so_many_is_told_once() -> None:
    kept = failure_log()
    for number in range(3):
        kept.record(ended(f"r-{number}"))
    assert [record.request_id for record in kept.records.after(0)] == ["r-0", "r-1", "r-2"]
    assert [record.request_id for record in kept.records.after(2)] == ["r-2"]
    assert kept.records.after(3) == []


def test_a_record_survives_its_way_as_json() -> None:
    kept = failure_log()
    kept.record(ended())
    (record,) = kept.records.last(1)
    assert msgspec.json.decode(msgspec.json.encode(record), type=FailureRecord) == record


def test_it_counts_what_it_does_not_keep_any_more() -> None:
    kept = failure_log(kept=3)
    for number in range(5):
        kept.record(ended(f"r-{number}"))
    assert (kept.records.recorded, len(kept.records.last(10))) == (5, 3)


def test_what_the_access_line_says_too_is_the_same_there() -> None:
    event = ended()
    kept = failure_log()
    kept.record(event)
    line = to_builtins(request_line(event, "1970-01-01T00:00:00.500Z"))
    record = to_builtins(kept.records.last(1)[0])
    shared = (line.keys() & record.keys()) - {"attempts"}
    assert {"time", "request_id", "cause", "total_ms"} < shared
    assert {name: line[name] for name in shared} == {name: record[name] for name in shared}


class TestFailureLog(RecorderContract):
    def recorder(self) -> EventBus:
        return EventBus({RequestFinished: [failure_log().record]})
