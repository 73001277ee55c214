"""What has arrived on an idle connection is seen before the connection is used again, whatever the event loop knows."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from talaria.adapters.http1.upstream import Http1Upstream
from talaria.domain.http import UpstreamRequest
from tests.integration.http1.support_blocking_peer import SURPLUS, BlockingPeer, Deed, blocking_peer
from tests.integration.http1.support_peers import pieces, read, request
from tests.integration.http1.support_tls import client_context, server_context

WAYS = ["http", "https", "http by CONNECT", "https by CONNECT"]
REQUESTS: dict[str, Callable[[], UpstreamRequest]] = {
    "GET": request,
    "POST": lambda: request("POST", length=0),
    "POST with a body": lambda: request("POST", body=pieces(b"abc"), length=3),
    "POST with a large body": lambda: request("POST", body=pieces(b"x" * 100_000), length=100_000),
}


def client_of(peer: BlockingPeer, way: str, folder: Path) -> Http1Upstream:
    tls = client_context(folder) if way.startswith("https") else None
    scheme = way.split()[0]
    if way.endswith("CONNECT"):
        proxy = f"http://127.0.0.1:{peer.port}"
        return Http1Upstream(f"{scheme}://localhost", ssl_context=tls, egress_proxy=proxy)
    return Http1Upstream(f"{scheme}://localhost:{peer.port}", ssl_context=tls)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("deed", ["surplus", "close"])
@pytest.mark.parametrize("sent", REQUESTS)
@pytest.mark.parametrize("seen", [False, True])
async def test_what_has_arrived_ends_the_connection_and_any_request_goes_by_a_new_one(
    tmp_path: Path, way: str, deed: Deed, sent: str, seen: bool
) -> None:
    tls = server_context(tmp_path, "localhost") if way.startswith("https") else None
    with blocking_peer(deed, tls=tls, tunnel=way.endswith("CONNECT")) as peer:
        client = client_of(peer, way, tmp_path)
        assert (await client.send(request())).complete_body == b"hello"
        (connection,) = client._pool._members
        peer.act()
        async with asyncio.timeout(5):
            while seen and not connection.closed:
                await asyncio.sleep(0)
        assert (await client.send(REQUESTS[sent]())).complete_body == b"hello"
        assert (connection.closed, peer.connections) == (True, 2)
        await client.aclose()
        await peer.left()


@pytest.mark.parametrize("way", ["https", "https by CONNECT"])
@pytest.mark.parametrize("size", [10_000, 65_536, 100_000, 200_000])
async def test_what_lies_behind_a_response_in_the_buffer_of_tls_is_never_the_next_one(
    tmp_path: Path, way: str, size: int
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
    body = b"x" * (size - len(head % size))
    tls = server_context(tmp_path, "localhost")
    response = head % len(body) + body + SURPLUS
    with blocking_peer("nothing", tls=tls, tunnel=way.endswith("CONNECT"), response=response) as peer:
        client = client_of(peer, way, tmp_path)
        first = await client.send(request())
        assert len(await read(first)) == len(body)
        peer.act()  # all that it sends has left it: the last record of TLS may have been behind the body
        assert (await client.send(request())).complete_body == b"hello"
        assert peer.connections == 2
        await client.aclose()
        await peer.left()
