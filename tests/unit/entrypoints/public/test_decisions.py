"""The decision API without a socket: what is asked, what a yes tells the edge, and each no."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import HeadersTooLarge
from talaria.domain.http import Headers
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.decisions import TrustedEdges
from talaria.testing import MemoryClock
from tests.support_rows import each_row
from tests.unit.domain.support_memory_gateway import API_KEY
from tests.unit.entrypoints.public.support_edge import GOOD, Edge, by_headers
from tests.unit.support_time import run


def test_a_yes_says_under_which_identity_the_request_goes_on() -> None:
    async def main() -> None:
        edge = Edge()
        answer = await edge.ask(headers=by_headers((b"x-request-id", b"r-7"), (b"x-forwarded-for", b"203.0.113.9")))
        assert (answer.status, answer.body, answer.headers[b"content-length"]) == (200, b"", b"0")
        token = answer.headers[b"authorization"].removeprefix(b"Bearer ")
        assert edge.door.tokens.claims[token].subject.reveal() == "u-1"
        assert {name: answer.headers[name] for name in (b"x-wind-user-id", b"x-api-key", b"x-api-tag")} == {
            b"x-wind-user-id": b"u-1",
            b"x-api-key": API_KEY,
            b"x-api-tag": b"wind",
        }
        assert (answer.headers[b"x-request-id"], answer.headers[b"cache-control"]) == (b"r-7", b"no-store")
        assert answer.headers[b"x-forwarded-for"] == b"203.0.113.9"
        assert answer.headers[b"forwarded"] == b'for=203.0.113.9;host="api.example";proto=http'
        assert answer.headers.keys().isdisjoint({b"x-talaria-remove", b"x-envoy-auth-headers-to-remove", b"via"})

    run(main())


def test_one_event_with_the_method_that_was_asked_for() -> None:
    async def main() -> None:
        edge = Edge()
        event = (await edge.ask(headers=by_headers(method=b"DELETE"))).event
        context = event.context
        assert (event.method, event.status, event.reason, event.origin, event.bytes_out) == ("DELETE", 200, "", "", 0)
        assert (context.edge, context.tag, context.caller, context.exchange) == (True, "wind", "app", "miss")
        assert edge.limiter.in_flight == 0

    run(main())


def test_both_ways_of_asking_are_one() -> None:
    async def main() -> None:
        edge = Edge()
        for headers, target, method in (
            (by_headers(method=b"POST", target=b"/rides?a=1"), b"/decide?x=1", "GET"),
            (GOOD, b"/decide/rides?a=1", "POST"),
        ):
            answer = await edge.ask(target, headers, method)
            assert (answer.status, answer.event.method) == (200, "POST")

    run(main())


BOTH = b"/decide/rides"
UNASKED = [
    (BOTH, [*GOOD, (b"x-forwarded-uri", b"/a")]),
    (BOTH, [*GOOD, (b"x-forwarded-method", b"GET")]),
    (BOTH, by_headers()),
    (b"/decide", GOOD),
    (b"/decide", [*GOOD, (b"x-forwarded-uri", b"/a")]),
    (b"/decide", [*GOOD, (b"x-forwarded-method", b"GET")]),
    (b"/decide", by_headers((b"x-forwarded-uri", b"/b"))),
    (b"/decide", by_headers((b"x-forwarded-method", b"POST"))),
    (b"/", by_headers()),
    (b"/decided", by_headers()),
    (b"/Decide", by_headers()),
    (b"/refusals", by_headers()),
    (b"//decide", by_headers()),
]


@pytest.mark.parametrize(("target", "headers"), UNASKED)
def test_what_is_no_question_is_a_bad_request(target: bytes, headers: Headers) -> None:
    async def main() -> None:
        assert (await Edge().ask(target, headers)).problem() == "bad-request"

    run(main())


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (b"/a/../b", "bad-request-target"),
        (b"/a/%2e%2e/b", "bad-request-target"),
        (b"http://other.example/a", "bad-request-target"),
        (b"", "bad-request-target"),
        (b"/a\\b", "bad-request-target"),
        (b"/a%2fb", ""),
        (b"//a", ""),
        (b"/a;x=1/b", ""),
    ],
)
def test_the_target_that_is_asked_for_has_a_requests_rules(target: bytes, reason: str) -> None:
    async def main() -> None:
        answer = await Edge().ask(headers=by_headers(target=target))
        assert (answer.status == 200) if not reason else (answer.problem() == reason)

    run(main())


@pytest.mark.parametrize(
    ("headers", "reason", "status"),
    [
        (by_headers(method=b"get"), "method-not-implemented", 501),
        (by_headers(method=b"TRACE"), "method-not-allowed", 405),
        ([header for header in by_headers() if header[0] != b"authorization"], "missing-token", 401),
        ([header for header in by_headers() if header[0] != b"x-api-tag"], "missing-api-tag", 400),
        (by_headers((b"host", b"b")), "bad-request", 400),
        (by_headers((b"x-request-timeout-ms", b"0")), "deadline-exceeded", 504),
    ],
)
def test_a_no_is_the_problem_of_every_other_refusal(headers: Headers, reason: str, status: int) -> None:
    async def main() -> None:
        answer = await Edge().ask(headers=headers)
        assert (answer.problem(), answer.status, answer.event.reason) == (reason, status, reason)
        assert answer.event.context.edge

    run(main())


def test_a_refused_head_is_a_refused_question() -> None:
    async def main() -> None:
        for target in (b"/decide", b"/refusals/expired-token"):
            assert (await Edge().ask(target, refusal=HeadersTooLarge())).problem() != "expired-token"

    run(main())


def test_at_its_limit_the_gateway_says_so() -> None:
    async def main() -> None:
        edge = Edge()
        edge.limiter.acquire()
        edge.limiter.acquire()
        answer = await edge.ask()
        assert (answer.problem(), answer.headers[b"retry-after"]) == ("overloaded", b"1")

    run(main())


def test_the_name_of_every_header_that_no_upstream_gets_is_told() -> None:
    async def main() -> None:
        forged = [
            b"x-wind-user-id", b"x.wind.user.id", b"x_wind_user_id", b"x-rider", b"x-talaria-identity", b"x.api.key",
            b"x.wind.user.id", b"traceparent", b"connection", b"te", b"upgrade", b"expect", b"accept",
            b"keep-alive", b"proxy-connection", b"proxy-authorization", b"transfer-encoding", b"trailer",
        ]  # fmt: skip
        answer = await Edge().ask(headers=by_headers(*((name, b"1") for name in forged)))
        told = answer.headers[b"x-talaria-remove"]
        assert told == answer.headers[b"x-envoy-auth-headers-to-remove"]
        assert told.split(b", ") == [
            b"x.wind.user.id", b"x_wind_user_id", b"x-rider", b"x-talaria-identity", b"x.api.key", b"te",
            b"keep-alive", b"proxy-connection", b"proxy-authorization", b"trailer", b"traceparent",
        ]  # fmt: skip

    run(main())


def test_a_clients_api_key_is_removed_where_the_upstream_has_none() -> None:
    async def main() -> None:
        headers = [(n, b"bare" if n == b"x-api-tag" else v) for n, v in by_headers((b"x-api-key", b"mine"))]
        answer = await Edge().ask(headers=headers)
        assert b"x-api-key" not in answer.headers
        assert answer.headers[b"x-talaria-remove"] == b"x-api-key"

    run(main())


def test_a_good_trace_is_left_alone() -> None:
    async def main() -> None:
        parent = (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        answer = await Edge().ask(headers=by_headers(parent, (b"tracestate", b"a=1")))
        assert b"x-talaria-remove" not in answer.headers
        assert answer.event.context.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"

    run(main())


@each_row("reason", sorted(problems.ROWS.keys() - {"decision-failed"}))
def test_a_reason_has_its_own_problem_and_no_second_event(reason: str) -> None:
    async def main() -> None:
        edge = Edge()
        answer = await edge.ask(b"/refusals/" + reason.encode() + b"?request_id=r-9")
        assert answer.problem() == reason
        assert answer.headers[b"x-request-id"] == b"r-9"
        assert (b"retry-after" in answer.headers) == problems.ROWS[reason].always_retry_after
        assert edge.recorder.events == []

    run(main())


@pytest.mark.parametrize(
    "target",
    [b"/refusals/", b"/refusals/?request_id=r-9", b"/refusals/no-such", b"/refusals/200", b"/refusals/decision-failed"],
)
def test_any_other_reason_is_a_decision_that_failed_and_never_a_yes(target: bytes) -> None:
    async def main() -> None:
        answer = await Edge().ask(target)
        assert (answer.problem(), answer.status, answer.event.origin) == ("decision-failed", 503, "gateway")
        assert (answer.headers[b"x-request-id"] == b"r-9") == (b"r-9" in target)

    run(main())


_WORDS = st.sampled_from(
    [b"/decide", b"/refusals/", b"/", b"?", b"request_id=", b"200", b"expired-token", b"%2f", b"\xff"]
)


@given(st.lists(_WORDS, max_size=5).map(b"".join), st.booleans())
def test_whatever_is_asked_without_credentials_is_never_a_yes(target: bytes, headers: bool) -> None:
    async def main() -> None:
        given = [header for header in by_headers() if header[0] != b"authorization"] if headers else []
        assert (await Edge().ask(target, given)).status >= 400

    run(main())


def test_peers_that_are_no_trusted_edges_are_told_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = MemoryClock()
    edges = TrustedEdges([ip_network("10.0.0.0/8")], clock)
    assert edges.admit("10.1.2.3")
    assert edges.admit("::ffff:10.1.2.3")
    assert not any(edges.admit(peer) for peer in ("192.0.2.1", "", "unix"))
    assert [(record.message, vars(record)["refused"]) for record in caplog.records] == [(caplog.messages[0], 1)]
    clock.move(60.0)
    assert not edges.admit("192.0.2.1")
    assert [vars(record)["refused"] for record in caplog.records] == [1, 3]
    edges.networks = [ip_network("192.0.2.0/24")]
    assert edges.admit("192.0.2.1")
