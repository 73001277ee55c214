"""A request of httpx as our client sends it."""

from typing import Any

import httpx
import pytest

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
