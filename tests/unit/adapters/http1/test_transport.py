"""A request of httpx as our client sends it."""

from collections.abc import AsyncIterator
from typing import Any, Self

import httpx
import pytest

from talaria.adapters.http1.pool import PoolState
from talaria.adapters.http1.response_body import BufferedBody
from talaria.adapters.http1.timer import NEVER
from talaria.adapters.http1.transport import Http1Transport
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.domain.http import UpstreamRequest, UpstreamResponse

NO_TIMEOUT = httpx.Timeout(None)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[UpstreamRequest, float | None]]:
    """Each request that a client of one url is given, with its connect timeout. The response is its number."""
    requests: list[tuple[UpstreamRequest, float | None]] = []

    async def send(self: Http1Upstream, request: UpstreamRequest, **options: Any) -> UpstreamResponse:
        requests.append((request, options["connect_timeout"]))
        body = b"%d" % len(requests)
        return UpstreamResponse(201, [(b"set-cookie", b"a"), (b"set-cookie", b"b")], BufferedBody(body), body)

    monkeypatch.setattr(Http1Upstream, "send", send)
    return requests


async def test_a_request_and_its_response(sent: list[tuple[UpstreamRequest, float | None]]) -> None:
    async with httpx.AsyncClient(transport=Http1Transport(connect_timeout=2.0), timeout=NO_TIMEOUT) as client:
        response = await client.get("http://up/a%2Fb?c=%20", headers={"X-Trace": "1"})
    assert (response.status_code, response.text) == (201, "1")
    assert response.headers.get_list("set-cookie") == ["a", "b"]
    ((request, connect_timeout),) = sent
    assert (request.method, request.target, request.body, request.length) == ("GET", b"/a%2Fb?c=%20", None, None)
    assert (b"x-trace", b"1") in request.headers
    assert not {b"host", b"connection", b"content-length"} & {name for name, _ in request.headers}
    assert (request.timeout, request.idle_timeout, connect_timeout) == (NEVER, NEVER, 2.0)


async def test_timeouts_of_a_request(sent: list[tuple[UpstreamRequest, float | None]]) -> None:
    async with httpx.AsyncClient(transport=Http1Transport()) as client:
        await client.get("http://up/", timeout=httpx.Timeout(9.0, connect=1.0, read=2.0))
    ((request, connect_timeout),) = sent
    assert (request.timeout, request.idle_timeout, connect_timeout) == (3.0, 2.0, 1.0)


@pytest.mark.parametrize(("content", "length"), [(b"", 0), (b"abc", 3)])
async def test_a_body_of_known_length(
    sent: list[tuple[UpstreamRequest, float | None]], content: bytes, length: int
) -> None:
    async with httpx.AsyncClient(transport=Http1Transport()) as client:
        await client.post("http://up/", content=content)
    ((request, _),) = sent
    assert request.length == length
    assert (request.body or b"") == content


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_body_of_unknown_length_is_sent_whole(sent: list[tuple[UpstreamRequest, float | None]]) -> None:
    async with httpx.AsyncClient(transport=Http1Transport()) as client:
        await client.post("http://up/", content=_pieces(b"a", b"bc"))
        await client.post("http://up/", content=_pieces(b"abc"), headers={"content-length": "3"})
    assert [(request.body, request.length) for request, _ in sent] == [(b"abc", 3)] * 2
    assert all(name != b"transfer-encoding" for request, _ in sent for name, _ in request.headers)


class Body:
    """A response's body that is still on its way."""

    def __init__(self) -> None:
        self.closed = 0
        self._left = [b"x", b"yz"]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)

    async def aclose(self) -> None:
        self.closed += 1


async def test_a_response_that_is_on_its_way_streams_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Body()

    async def send(self: Http1Upstream, request: UpstreamRequest, **options: Any) -> UpstreamResponse:
        return UpstreamResponse(200, [], body)

    monkeypatch.setattr(Http1Upstream, "send", send)
    async with httpx.AsyncClient(transport=Http1Transport()) as client:
        async with client.stream("GET", "http://up/") as response:
            assert response.http_version == "HTTP/1.1"
            assert [piece async for piece in response.aiter_raw()] == [b"x", b"yz"]
        assert body.closed == 1


async def test_hosts_are_told_together_and_each_follows_its_name(
    sent: list[tuple[UpstreamRequest, float | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {"a": PoolState(1, 2, 3, 200.0), "b": PoolState(10, 20, 30, 100.0), "c": PoolState(100, 200, 300, 0.0)}
    asked: list[Http1Upstream] = []
    made: dict[Http1Upstream, str] = {}
    init = Http1Upstream.__init__

    def noting(self: Http1Upstream, base_url: str, **options: Any) -> None:
        init(self, base_url, **options)
        made[self] = base_url.removeprefix("http://")

    async def follow_names(self: Http1Upstream) -> None:
        asked.append(self)

    monkeypatch.setattr(Http1Upstream, "__init__", noting)
    monkeypatch.setattr(Http1Upstream, "pool_state", lambda self: states[made[self]])
    monkeypatch.setattr(Http1Upstream, "follow_names", follow_names)
    transport = Http1Transport()
    assert transport.pool_state() == PoolState()
    async with httpx.AsyncClient(transport=transport) as client:
        for host in ("a", "b", "c", "a"):
            await client.get(f"http://{host}/")
        assert transport.pool_state() == PoolState(111, 222, 333, 100.0)
        await transport.follow_names()
    assert sorted(made.values()) == ["a", "b", "c"]
    assert asked == list(made)
