"""The spans of a finished request: which there are, what each says, and what none of them says."""

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from talaria.adapters.telemetry.recorder import EventBus
from talaria.adapters.telemetry.spans import SpanRecorder
from talaria.domain.events import (
    PERSONAL_SPAN,
    SERVER_SPAN,
    UPSTREAM_SPAN,
    Attempt,
    ExchangeFinished,
    FlowLabels,
    RequestContext,
    RequestFinished,
    RequestForwarded,
    Trace,
)
from talaria.domain.tracing import Tracing
from talaria.testing.contracts.recorder import RecorderContract

TRACE, STEM, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b", "b7ad6b7169203331"
SENT, GIVEN = f"00-{TRACE}-{STEM}2-01".encode(), f"00-{TRACE}-{PARENT}-01".encode()
SAMPLED = Trace(TRACE, SENT, b"", GIVEN, b"api.example:8443", "https")
NOT_SAMPLED = SAMPLED._replace(parent=SENT[:-2] + b"00")
SERVER, PERSONAL_ID, UPSTREAM_ID = (
    (STEM.encode() + which).decode() for which in (SERVER_SPAN, PERSONAL_SPAN, UPSTREAM_SPAN)
)
WALL, NOW = 1_795_000_000.0, 500.0
PERSONAL = Attempt("personal", 400.1, 0.25, "ok")
WIND = Attempt("wind", 400.5, 0.25, "ok")
SERVICES = Attempt("services", 401.0, 0.5, "ok")


class Clock:
    def now(self) -> float:
        return NOW


class Bench:
    """A recorder of spans and what it made."""

    def __init__(self) -> None:
        self.made: list[ReadableSpan] = []
        self.recorder = SpanRecorder(
            self.made.append, Resource({}), Tracing(0.0).begin, Clock(), wall=lambda: WALL + NOW
        )
        self.recorder.urls = {"personal": "http://personal.internal", "services": "https://services.internal:8443/x"}

    def spans(self, event: RequestFinished) -> dict[str, ReadableSpan]:
        """By their names."""
        self.recorder.record(event)
        return {span.name: span for span in self.made}


def context(*attempts: Attempt, trace: Trace | None = SAMPLED, **more: Any) -> RequestContext:
    known: dict[str, Any] = {"tag": "wind", "caller": "app", "partner": "wind", "exchange": "miss", "started": 400.0}
    return RequestContext("r-1", TRACE, attempts=list(attempts), trace=trace, person="p5eud0nym", **(known | more))


def finished(of: RequestContext, status: int = 200, reason: str = "", method: str = "GET") -> RequestFinished:
    origin: Any = "personal" if reason else "upstream"
    return RequestFinished(of, method, status, reason, origin, 0, 0, 2.0)


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    """Of its trace, its own and its parent's."""
    assert span.context is not None
    parent = f"{span.parent.span_id:016x}" if span.parent else ""
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


class TestContract(RecorderContract):
    def recorder(self) -> EventBus:
        return EventBus({RequestFinished: [Bench().recorder.record]})


@pytest.mark.parametrize("partner", ["wind", "wind.canary"])
def test_the_tree_of_a_request_with_an_exchange(partner: str) -> None:
    spans = Bench().spans(finished(context(PERSONAL, WIND._replace(dependency=partner), SERVICES)))
    server, personal, upstream = spans["GET wind"], spans["personal"], spans["services"]
    assert ids(server) == (TRACE, SERVER, PARENT)
    assert ids(personal) == (TRACE, PERSONAL_ID, SERVER)
    assert ids(upstream) == (TRACE, UPSTREAM_ID, SERVER)
    assert (ids(spans[partner])[0], ids(spans[partner])[2]) == (TRACE, SERVER)
    assert ids(spans[partner])[1] not in (SERVER, PERSONAL_ID, UPSTREAM_ID)
    assert "http.request.method" not in said(spans[partner])
    assert [span.kind for span in spans.values()] == [SpanKind.CLIENT] * 3 + [SpanKind.SERVER]
    assert {span.status.status_code for span in spans.values()} == {StatusCode.UNSET}
    assert (server.start_time, server.end_time) == (int((WALL + 400) * 1e9), int((WALL + 402) * 1e9))
    assert (upstream.start_time, upstream.end_time) == (int((WALL + 401) * 1e9), int((WALL + 401.5) * 1e9))
    assert all(span.context and span.context.trace_flags.sampled for span in spans.values())


def test_what_the_spans_say() -> None:
    spans = Bench().spans(finished(context(PERSONAL, SERVICES), 204))
    assert said(spans["GET wind"]) == {
        "http.request.method": "GET",
        "http.response.status_code": 204,
        "network.protocol.name": "http",
        "server.address": "api.example",
        "url.scheme": "https",
        "talaria.request_id": "r-1",
        "talaria.route": "wind",
        "talaria.caller": "app",
        "talaria.exchange": "miss",
        "talaria.origin": "upstream",
    }
    assert said(spans["personal"]) == {"server.address": "personal.internal", "server.port": 80}
    assert said(spans["services"]) == {
        "http.request.method": "GET",
        "http.response.status_code": 204,
        "server.address": "services.internal",
        "server.port": 8443,
    }


def test_nothing_of_a_person_stands_in_a_span() -> None:
    spans = Bench().spans(finished(context(PERSONAL, WIND, SERVICES)))
    assert "p5eud0nym" not in "".join(span.to_json() for span in spans.values())


@pytest.mark.parametrize("trace", [None, NOT_SAMPLED])
def test_what_is_not_sampled_is_not_exported_but_for_every_5xx(trace: Trace | None) -> None:
    bench = Bench()
    for status in (200, 404, 499):
        assert bench.spans(finished(context(SERVICES, trace=trace), status)) == {}
    made = bench.spans(finished(context(SERVICES, trace=trace), 503, "personal-overloaded"))
    assert sorted(made) == ["GET wind", "services"]
    assert all(span.context and span.context.trace_flags.sampled for span in made.values())


def test_a_failure_before_its_head_was_read_begins_a_trace() -> None:
    server = Bench().spans(finished(RequestContext("r-1", started=400.0), 503, "overloaded"))["GET"]
    assert ids(server)[2] == ""
    assert said(server)["error.type"] == "overloaded"


@pytest.mark.parametrize(
    ("status", "reason", "error", "code"),
    [
        (200, "", None, StatusCode.UNSET),
        (404, "", None, StatusCode.UNSET),
        (403, "identity-unknown", "identity-unknown", StatusCode.UNSET),
        (502, "personal-unreachable", "personal-unreachable", StatusCode.ERROR),
        (500, "", "500", StatusCode.ERROR),
    ],
)
def test_errors_are_named_and_those_of_the_client_are_none_of_the_servers(
    status: int, reason: str, error: str | None, code: StatusCode
) -> None:
    server = Bench().spans(finished(context(), status, reason))["GET wind"]
    assert (said(server).get("error.type"), server.status.status_code) == (error, code)


def test_each_attempt_is_a_span_and_the_last_one_has_the_id_that_was_sent() -> None:
    bench = Bench()
    broken, failed = SERVICES._replace(outcome="unreachable"), SERVICES._replace(at=401.2, outcome="503")
    bench.recorder.record(finished(context(PERSONAL._replace(outcome="timeout"), PERSONAL, broken, failed), 503))
    late, again, first, second, _ = bench.made
    assert [ids(one)[1] == PERSONAL_ID for one in (late, again)] == [False, True]
    assert [ids(one)[1] == UPSTREAM_ID for one in (first, second)] == [False, True]
    assert [said(one).get("error.type") for one in (late, again, first, second)] == [
        "timeout",
        None,
        "unreachable",
        "503",
    ]
    assert [one.status.status_code is StatusCode.ERROR for one in (late, again, first, second)] == [
        True,
        False,
        True,
        True,
    ]
    assert [said(one).get("http.request.resend_count") for one in (late, again, first, second)] == [None, 1, None, 1]
    assert said(second)["http.response.status_code"] == 503


def test_an_attempt_at_one_of_several_urls_names_it() -> None:
    span = Bench().spans(finished(context(SERVICES._replace(address="http://10.0.0.7:8080"))))["services"]
    assert (said(span)["server.address"], said(span)["server.port"]) == ("10.0.0.7", 8080)


@pytest.mark.parametrize("partner", ["wind", "wind.canary"])
def test_a_request_that_joined_an_exchange_has_a_link_in_place_of_its_attempts(partner: str) -> None:
    leader = Trace("0" * 31 + "7", f"00-{'0' * 31}7-{'1' * 15}2-01".encode())
    joined = replace(
        context(PERSONAL, WIND._replace(dependency=partner), SERVICES, exchange="coalesced"), joined=leader
    )
    spans = Bench().spans(finished(joined))
    assert sorted(spans) == ["GET wind", "services"]
    (link,) = spans["GET wind"].links
    assert (link.context.trace_id, f"{link.context.span_id:016x}") == (7, "1" * 16)


@pytest.mark.parametrize(("method", "name"), [("GET", "GET wind"), ("PROPFIND", "HTTP wind")])
def test_a_method_of_no_list_does_not_become_a_name(method: str, name: str) -> None:
    span = Bench().spans(finished(context(SERVICES), method=method))[name]
    assert said(span)["http.request.method"] == (method if method == "GET" else "_OTHER")


@pytest.mark.parametrize(
    ("host", "address"),
    [(b"api.example", "api.example"), (b"[::1]:80", "[::1]"), (b"[::1]", "[::1]"), (b"gw:", "gw"), (b"", None)],
)
def test_the_servers_address_is_the_hosts_name(host: bytes, address: str | None) -> None:
    server = Bench().spans(finished(context(trace=SAMPLED._replace(host=host))))["GET wind"]
    assert said(server).get("server.address") == address


def test_a_healed_request_says_so() -> None:
    server = Bench().spans(finished(context(identity_refreshed=True)))["GET wind"]
    assert said(server)["talaria.healed"] is True


def test_other_events_make_no_span() -> None:
    bench = Bench()
    for event in (PERSONAL, ExchangeFinished("wind", "hit")):
        bench.recorder.record(event)
    assert bench.made == []


@pytest.mark.parametrize(("trace", "made"), [(SAMPLED, 2), (NOT_SAMPLED, 0), (None, 0)])
def test_a_request_on_the_fast_path_has_the_spans_of_any_other(trace: Trace | None, made: int) -> None:
    bench, labels = Bench(), FlowLabels("wind", "wind", "services", "app", "p5eud0nym")
    event = RequestForwarded(labels, "r-1", TRACE, "GET", 200, 0, 2, 0.5, 0.25, WALL + 402.0, "", trace)
    bench.recorder.record_forwarded([event])
    assert len(bench.made) == made
    if made:
        upstream, server = bench.made
        assert (ids(server), ids(upstream)) == (
            (TRACE, SERVER, PARENT),
            (TRACE, UPSTREAM_ID, SERVER),
        )
        assert (server.start_time, server.end_time) == (int((WALL + 401.5) * 1e9), int((WALL + 402) * 1e9))
        assert (said(server)["talaria.exchange"], said(upstream)["server.port"]) == ("hit", 8443)


def test_a_decision_under_a_flow_has_one_span() -> None:
    bench, labels = Bench(), FlowLabels("wind", "wind", "services", "app", "p5eud0nym")
    event = RequestForwarded(labels, "r-1", TRACE, "GET", 200, 0, 0, 0.5, 0.0, WALL + 402.0, "", SAMPLED, edge=True)
    bench.recorder.record_forwarded([event])
    (server,) = bench.made
    assert ids(server) == (TRACE, SERVER, PARENT)
    assert (said(server)["talaria.exchange"], said(server)["talaria.origin"]) == ("hit", "")
