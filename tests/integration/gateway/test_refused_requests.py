"""Refusals that the request's own form earns."""

import pytest

from tests.integration.gateway.support_client import ask, request
from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in
from tests.integration.gateway.support_problem import check_problem, refused

ALL_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

TAGS = {
    "missing-api-tag": [[], [""], ["  "]],
    "ambiguous-api-tag": [["wind", "wind"], ["wind", ""], ["wind, wind"], ["wind,other"], ["", "wind"]],
    "unknown-api-tag": [["nope"], ["Wind"], ["wind "[:3]], ["wind;q=1"], ['"wind"'], ["\xe9"]],
}


@pytest.mark.parametrize(("reason", "tags"), [(reason, tags) for reason, all in TAGS.items() for tags in all])
async def test_the_tag(gateway: Gateway, reason: str, tags: list[str]) -> None:
    lines = [f"X-Api-Tag: {tag}" for tag in tags]
    got = await ask(gateway.url, request(gateway.town.token(), "/", *lines, tag=None))
    line = await refused(gateway, got, reason)
    assert line["tag"] == ""
    assert "wind" not in got.body.decode().replace("x-api-tag", "")


TARGETS = [
    "http://door.example/a", "door.example:80", "*", "/a#b", "/#", "/a\\b", "/..", "/../a", "/a/..", "/a/./b", "/.",
    "/%2e%2e/a", "/.%2E/a", "/%2e/", "/a/..;x=1/b", "/..;", "/%252e%252e/a", "/%25252e./a", "/a%2f..%2fb", "/..%2fa",
    "/..%5ca", "/a%5c..%5cb", "/%00", "/a%0d%0ab", "/%7f", "/a%250ab", "/%c0%ae%c0%ae/a", "/a\x7f", "/\xe9",
    "/a\x00b", "/a\tb", "/a\x01",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_the_target(gateway: Gateway, method: str) -> None:
    for target in TARGETS:
        got = await gateway.ask(target, method=method)
        assert got.json()["reason"] == "bad-request-target", target
        await refused(gateway, got, "bad-request-target")
    assert not gateway.town.upstream.seen


@pytest.mark.parametrize("target", ["/a b", "/a\rb", ""])
async def test_what_is_no_request_line(gateway: Gateway, target: str) -> None:
    got = await gateway.ask(target)
    assert got.json()["reason"] in ("bad-request-target", "bad-request")
    await refused(gateway, got, got.json()["reason"])
    assert not gateway.town.upstream.seen


async def test_a_refused_target_keeps_the_request_id(gateway: Gateway) -> None:
    check_problem(await gateway.ask("/..", "x-request-id: mine"), "bad-request-target", "mine")


@pytest.mark.parametrize("line", [b"CONNECT door.example:443", b"TRACE /", b"CONNECT /"])
async def test_tunnels_and_traces(gateway: Gateway, line: bytes) -> None:
    got = await ask(gateway.url, line + request(gateway.town.token())[len("GET /v1/scooters") :])
    await refused(gateway, got, "method-not-allowed")
    assert got.head.one("allow") == ALL_METHODS


async def test_the_methods_of_a_route(town: Town) -> None:
    async with gateway_in(town, {"routes": {"wind": {"methods": ["GET", "POST"]}}}) as gateway:
        assert (await gateway.ask(method="POST", body=b"x")).status == 200
        for method in ("PUT", "DELETE", "HEAD", "OPTIONS"):
            async with gateway.connected() as client:
                got = await client.ask(request(town.token(), method=method))
                assert got.head.one("allow") == "GET, POST"
                assert got.status == 405
                if method != "HEAD":
                    line = await refused(gateway, got, "method-not-allowed")
                    assert line["tag"] == "wind"


def raw(*lines: str, first: str = "GET / HTTP/1.1") -> bytes:
    """A head of exactly these lines."""
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


TAG, HOST = "x-api-tag: wind", "host: door.example"
HEADS = {
    "no host": raw(TAG),
    "two hosts": raw(TAG, HOST, HOST),
    "two kinds of host": raw(TAG, HOST, "Host: other.example"),
    "two authorizations": raw(TAG, HOST, "authorization: Bearer a", "Authorization: Bearer b"),
    "two lengths": raw(TAG, HOST, "content-length: 1", "content-length: 2"),
    "a list of lengths": raw(TAG, HOST, "content-length: 1, 1"),
    "a signed length": raw(TAG, HOST, "content-length: +1"),
    "no number": raw(TAG, HOST, "content-length: x"),
    "both framings": raw(TAG, HOST, "content-length: 1", "transfer-encoding: chunked"),
    "another coding": raw(TAG, HOST, "transfer-encoding: gzip, chunked"),
    "chunked twice": raw(TAG, HOST, "transfer-encoding: chunked, chunked"),
    "chunked not last": raw(TAG, HOST, "transfer-encoding: chunked, identity"),
    "an odd chunked": raw(TAG, HOST, "transfer-encoding: xchunked"),
    "a folded line": raw(TAG, HOST, "x-a: b", "  folded"),
    "a space before the colon": raw(TAG, HOST, "x-a : b"),
    "no colon": raw(TAG, HOST, "nonsense"),
    "no name": raw(TAG, HOST, ": value"),
    "a control character": raw(TAG, HOST, "x-a: b\x00c"),
    "a bare CR": raw(TAG, HOST, "x-a: b\rc"),
    "an unknown version": raw(TAG, HOST, first="GET / HTTP/3.7"),
    "no version": raw(TAG, HOST, first="GET /"),
    "no method": raw(TAG, HOST, first=" / HTTP/1.1"),
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 30,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("data", HEADS.values(), ids=HEADS.keys())
async def test_malformed_heads(gateway: Gateway, town: Town, data: bytes) -> None:
    async with gateway.connected() as client:
        client.send(data)
        got = await client.get()
        await refused(gateway, got, "bad-request")
    assert town.personal.calls == town.upstream.calls == 0


async def test_what_follows_a_malformed_head_is_not_read(gateway: Gateway, town: Town) -> None:
    async with gateway.connected() as client:
        client.send(raw(TAG, HOST, "nonsense") + request(town.token()))
        check_problem(await client.get(), "bad-request")
        assert await client.at_end() == b""
    assert not town.upstream.seen


async def test_a_good_request_before_a_malformed_one_is_answered(gateway: Gateway, town: Town) -> None:
    async with gateway.connected() as client:
        client.send(request(town.token()) + raw(TAG, HOST, "nonsense"))
        assert (await client.get()).status == 200
        got = await client.get()
        assert got.head.one("connection") == "close"
        await refused(gateway, got, "bad-request")
        assert await client.at_end() == b""


async def test_the_limits_of_a_head(town: Town) -> None:
    async with gateway_in(town, {"server": {"header_limit": "4KiB"}}) as gateway:
        token = town.token()
        room = 4096 - len(request(token, "/", "x-fill: "))
        assert (await ask(gateway.url, request(token, "/", f"x-fill: {'a' * room}"))).status == 200
        over = await ask(gateway.url, request(token, "/", f"x-fill: {'a' * (room + 200)}"))
        await refused(gateway, over, "headers-too-large")
        many = await ask(gateway.url, request(token, "/", *[f"x-{number}: a" for number in range(500)]))
        await refused(gateway, many, "headers-too-large")
        long = await ask(gateway.url, request(token, "/" + "a" * 5000))
        await refused(gateway, long, "target-too-long")
        async with gateway.connected() as client:
            client.send(b"GET /" + b"a" * 5000)
            await refused(gateway, await client.get(), "target-too-long")


async def test_a_slow_head_is_cut_off(town: Town) -> None:
    async with gateway_in(town, {"server": {"header_timeout": "100ms"}}) as gateway, gateway.connected() as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a")
        assert await client.at_end(4) == b""
        line = await gateway.line(lambda line: True)
        assert (line["status"], line["reason"], line["origin"]) == (499, "client-gone", "client")
        assert 'reason="client-gone",status="499"' in (await gateway.operators("/metrics")).body.decode()


async def test_an_idle_connection_is_closed(town: Town) -> None:
    async with gateway_in(town, {"server": {"keepalive_timeout": "100ms"}}) as gateway, gateway.connected() as client:
        assert (await client.ask(request(town.token()))).status == 200
        assert await client.at_end(4) == b""
