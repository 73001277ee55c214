"""The headers that an upstream gets: each of ours exactly once, behind the client's own."""

from math import inf

import pytest

from talaria.domain.decision import Decision, UpstreamHeaders, UpstreamTarget, joined
from talaria.domain.events import RequestContext, Trace
from talaria.domain.forwarded import ForwardedHeaders
from talaria.domain.headers import HeaderPolicy
from talaria.domain.http import ClientRequest, Headers
from talaria.domain.model import Partner, PartnerUserId, Principal, Route
from talaria.domain.tracing import NO_TRACE
from tests.unit.domain.support_memory_gateway import ScriptedUpstream

WIND = Partner("wind", b"x-wind-user-id")
ROUTE = Route("wind", WIND, "services", frozenset({"app"}))
TRACE = Trace("a" * 32, b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"c=1")


def headers_of(
    *more: tuple[bytes, bytes],
    api_key: bytes = b"key",
    user: str | None = "u-1",
    trace: Trace = NO_TRACE,
    exchange: str = "hit",
) -> Headers:
    lines = UpstreamHeaders(
        {"wind": ROUTE}, {"services": UpstreamTarget(ScriptedUpstream(), "aud", api_key)}, ForwardedHeaders([])
    )
    request = ClientRequest("GET", b"/", [(b"host", b"a"), *more], peer="192.0.2.1")
    read = HeaderPolicy([WIND]).filter_request(request.headers)
    decision = Decision(request, read, trace, ROUTE, 2.0, 2.0, Principal("app", None), None, inf)
    decision.user_id = None if user is None else PartnerUserId(user)
    context = RequestContext("r-1", exchange=exchange)  # type: ignore[arg-type] # a word of the domain's
    return lines.of(decision, b"token", 1.5, context)


def test_ours_stand_behind_the_clients_own() -> None:
    assert headers_of((b"accept", b"*/*")) == [
        (b"accept", b"*/*"),
        (b"forwarded", b'for=192.0.2.1;host="a";proto=http'),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"a"),
        (b"x-api-tag", b"wind"),
        (b"x-api-key", b"key"),
        (b"x-wind-user-id", b"u-1"),
        (b"authorization", b"Bearer token"),
        (b"x-request-id", b"r-1"),
        (b"x-request-timeout-ms", b"1500"),
        (b"via", b"1.1 talaria"),
    ]


@pytest.mark.parametrize(
    ("name", "without"), [(b"x-api-key", headers_of(api_key=b"")), (b"x-wind-user-id", headers_of(user=None))]
)
def test_what_there_is_not_has_no_line(name: bytes, without: Headers) -> None:
    assert name in dict(headers_of())
    assert name not in dict(without)


def test_a_trace_and_a_stale_identity_are_told() -> None:
    told = headers_of(trace=TRACE, exchange="stale")
    assert (b"x-talaria-identity", b"stale") in told
    assert set(TRACE.headers()) <= set(told)
    assert len(dict(told)) == len(told)


def test_lines_of_a_head() -> None:
    assert joined([(b"a", b"1"), (b"b", b"2")]) == b"a: 1\r\nb: 2\r\n"
    assert joined([]) == b""
