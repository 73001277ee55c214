"""What talaria-services gets, header by header, as talaria-services.md says."""

import re
from collections.abc import AsyncIterator

import pytest

from talaria.domain.routing import ANY_METHOD
from tests.integration.gateway.support_client import request
from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in
from tests.integration.gateway.support_problem import refused
from tests.integration.gateway.support_raw import Head
from tests.integration.gateway.support_services import SERVICES_API_KEY

EACH_PATH = {
    "test_the_whole_request_line_by_line",
    "test_every_method_of_http_goes_on_as_it_is",
    "test_a_usable_request_id_is_kept_everywhere",
    "test_a_strangers_forwarding_headers_are_not_believed",
}

OURS = [
    "authorization",
    "forwarded",
    "host",
    "via",
    "x-api-key",
    "x-api-tag",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x-request-timeout-ms",
    "x-wind-user-id",
]
HEX = "[0-9a-f]"


async def passed_on(gateway: Gateway, *lines: str, target: str = "/", token: str | None = None) -> Head:
    """What the upstream gets of a GET with these lines."""
    got = await gateway.ask(target, *lines, token=token)
    assert got.status == 200, got.body
    return gateway.town.upstream.seen[-1].head


async def test_the_whole_request_line_by_line(gateway: Gateway, town: Town) -> None:
    person = town.person("user-42")
    head = await passed_on(gateway, "Accept: text/plain", "X-Custom: a", "x-custom: b", token=town.token(person))
    assert head.first == b"GET / HTTP/1.1"
    assert sorted(head.names()) == sorted([*OURS, "accept", "x-custom", "x-custom"])
    assert head.one("host") == town.upstream.url.removeprefix("http://")
    assert head.one("x-wind-user-id") == "user-42"
    assert head.one("x-api-key") == SERVICES_API_KEY
    assert head.one("x-api-tag") == "wind"
    assert head.one("via") == "1.1 talaria"
    assert re.fullmatch(r"Bearer eyJ[\w-]+\.[\w-]+\.[\w-]+", head.one("authorization"))
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", head.one("x-request-id"))
    assert head.one("forwarded") == 'for=127.0.0.1;host="door.example";proto=http'
    assert (head.one("x-forwarded-for"), head.one("x-forwarded-proto")) == ("127.0.0.1", "http")
    assert head.one("x-forwarded-host") == "door.example"


async def test_the_clients_own_headers_keep_their_order_and_number(gateway: Gateway) -> None:
    lines = ["X-B: 2", "X-A: 1", "x-b: 1", "Cookie: c=1", "X-A: ", "Accept: */*", "cookie: d=2", "X-Latin: \xe9t\xe9"]
    head = await passed_on(gateway, *lines)
    wanted = {"x-a", "x-b", "cookie", "accept", "x-latin"}
    kept = [(name.lower().decode(), value.decode("latin-1")) for name, value in head.lines]
    expected = [(line.partition(":")[0].lower(), line.partition(":")[2].strip()) for line in lines]
    assert [pair for pair in kept if pair[0] in wanted] == expected


TARGETS = [
    "/",
    "//double//slash",
    "/a%2Fb/%7e~%7E/caf%C3%A9",
    "/q?",
    "/q?a=1&a=2&b=%20+%2B",
    "/q?path=/../x&dots=..",
    "/semi;v=1/next;w",
    "/!$&'()*+,;=:@-._~",
    '/q?[]{}|^`"<>?/?',
    "/%25/%",
    "/...",
    "/a./.b/..c",
    "/?http://other.example/",
    "/" + "a" * 20_000,
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:24])
async def test_the_target_goes_on_byte_for_byte(gateway: Gateway, target: str) -> None:
    head = await passed_on(gateway, target=target)
    assert head.first == f"GET {target} HTTP/1.1".encode()


async def test_every_method_of_http_goes_on_as_it_is(gateway: Gateway, town: Town) -> None:
    for method in sorted(ANY_METHOD):
        assert (await gateway.ask(method=method)).status == 200
        assert town.upstream.seen[-1].head.first.startswith(f"{method} ".encode())


@pytest.mark.parametrize("method", ["LIST", "UPDATE", "VERSION-CONTROL", "FLUSH", "get"])
async def test_a_method_that_is_none_of_http_goes_nowhere(gateway: Gateway, town: Town, method: str) -> None:
    await refused(gateway, await gateway.ask(method=method), "method-not-implemented")
    assert not town.upstream.seen


async def test_an_offer_to_upgrade_is_ignored_on_a_connection_that_is_kept(gateway: Gateway, town: Town) -> None:
    """As Java's HttpClient makes it on its first request."""
    offer = ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAAA"]
    async with gateway.connected() as client:
        for body in (b"", b"hello", [b"hel", b"lo"]):
            got = await client.ask(request(town.token(), "/", *offer, method="POST", body=body))
            assert (got.status, got.head.all("connection")) == (200, [])
            seen = town.upstream.seen[-1]
            assert seen.body == (b"".join(body) if isinstance(body, list) else body)
            assert not [name for name in seen.head.names() if name in ("upgrade", "http2-settings")]


NEVER = [
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic eA==",
    "Proxy-Authenticate: Basic",
    "TE: trailers",
    "Trailer: x-checksum",
    "X-Api-Key: stolen",
    "X_Api_Key: stolen",
    "x.api.key: stolen",
    "X-Wind-User-Id: admin",
    "x_wind_user_id: admin",
    "X-Wind_User-Id: admin",
    "X-Talaria-Role: admin",
    "X_Talaria_Role: admin",
    "x-talaria-unknown-user: 1",
    "X_Custom: folded",
    "x!odd: folded",
    "Authorization_: Bearer x",
    "x_forwarded_for: 6.6.6.6",
]


@pytest.mark.parametrize("line", NEVER)
async def test_what_never_goes_on(gateway: Gateway, town: Town, line: str) -> None:
    person = town.person("user-42")
    head = await passed_on(gateway, line, "x-kept: yes", token=town.token(person))
    assert sorted(head.names()) == sorted([*OURS, "x-kept"])
    assert head.one("x-wind-user-id") == "user-42"
    assert head.one("x-api-key") == SERVICES_API_KEY


async def test_what_connection_names_goes_and_ours_stay(gateway: Gateway) -> None:
    named = "close, X-Mine , x-wind-user-id, authorization, x-api-key, X-Api-Tag, x-request-id, via, forwarded"
    more = "connection: x-more, traceparent, host, x-forwarded-for"
    head = await passed_on(gateway, f"Connection: {named}", more, "x-mine: 1", "x-more: 2", "x-kept: yes")
    assert sorted(head.names()) == sorted([*OURS, "x-kept"])


@pytest.mark.parametrize("given", ["abc-123._X", "a" * 64, "7"])
async def test_a_usable_request_id_is_kept_everywhere(gateway: Gateway, town: Town, given: str) -> None:
    token = town.token()
    got = await gateway.ask("/", f"X-Request-Id: {given}", token=token)
    assert got.head.one("x-request-id") == given
    assert town.upstream.seen[-1].head.one("x-request-id") == given
    if not gateway.asks_before:
        assert town.personal.server.heads[-1].one("x-request-id") == given
        assert town.wind.server.heads[-1].one("x-request-id") == given


@pytest.mark.parametrize("given", [[""], ["a" * 65], ["a b"], ["a/b"], ["\xe9"], ["one", "two"]])
async def test_another_request_id_is_replaced(gateway: Gateway, town: Town, given: list[str]) -> None:
    got = await gateway.ask("/", *(f"x-request-id: {value}" for value in given))
    fresh = got.head.one("x-request-id")
    assert fresh not in given
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", fresh)
    assert town.upstream.seen[-1].head.one("x-request-id") == fresh


async def test_a_trace_passes_unchanged(gateway: Gateway) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    head = await passed_on(gateway, f"traceparent: {parent}", "tracestate: a=1", "tracestate: b=2")
    assert head.one("traceparent") == parent
    assert head.one("tracestate").replace(" ", "") == "a=1,b=2"
    line = await gateway.line(lambda line: line["trace_id"] == trace)
    assert line["status"] == 200


@pytest.mark.parametrize("given", ["00-" + "0" * 32 + "-b7ad6b7169203331-01", "ff-x", "00-0AF7651916CD43DD-1-01", ""])
async def test_a_broken_trace_is_dropped(gateway: Gateway, given: str) -> None:
    head = await passed_on(gateway, f"traceparent: {given}", "tracestate: a=1")
    assert not head.all("traceparent")
    assert not head.all("tracestate")


async def test_via_is_continued(gateway: Gateway) -> None:
    head = await passed_on(gateway, "Via: 1.0 first", "via: 1.1 second (x)")
    assert re.split(", ?", ", ".join(head.all("via"))) == ["1.0 first", "1.1 second (x)", "1.1 talaria"]


FORGED = ["Forwarded: for=6.6.6.6", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil"]


async def test_a_strangers_forwarding_headers_are_not_believed(gateway: Gateway) -> None:
    head = await passed_on(gateway, *FORGED)
    assert head.one("forwarded") == 'for=127.0.0.1;host="door.example";proto=http'
    said = [head.one(f"x-forwarded-{name}") for name in ("for", "proto", "host")]
    assert said == ["127.0.0.1", "http", "door.example"]


@pytest.fixture
async def behind_a_proxy(town: Town) -> AsyncIterator[Gateway]:
    async with gateway_in(town, {"server": {"trusted_proxies": ["127.0.0.0/8"]}}) as running:
        yield running


async def test_a_trusted_proxys_forwarding_headers_are_continued(behind_a_proxy: Gateway) -> None:
    head = await passed_on(behind_a_proxy, *FORGED)
    assert head.one("forwarded") == 'for=6.6.6.6, for=127.0.0.1;host="door.example";proto=http'
    assert head.one("x-forwarded-for").replace(" ", "") == "6.6.6.6,127.0.0.1"
    assert (head.one("x-forwarded-proto"), head.one("x-forwarded-host")) == ("https", "evil")


async def test_the_second_request_on_a_connection_inherits_nothing(gateway: Gateway, town: Town) -> None:
    async with gateway.connected() as client:
        for name in ("first", "second", "third"):
            got = await client.ask(request(town.token(town.person(f"user-{name}")), f"/{name}", f"x-{name}: 1"))
            assert got.body == f"user-{name}".encode()
            head = town.upstream.seen[-1].head
            assert sorted(head.names()) == sorted([*OURS, f"x-{name}"])
