"""Both real versions of `Upstream` pass its contract over sockets, and the one that speaks HTTP/2 over that too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from talaria.adapters.http1.upstream import WireOrigin
from talaria.adapters.httpx_origin import HttpxOrigin
from talaria.domain.http import Headers
from talaria.testing.contracts.upstream import UpstreamContract
from talaria.testing.contracts.upstream_failures import UpstreamFailures, is_well
from talaria.testing.contracts.upstream_harness import (
    BackendRequest,
    Handler,
    UpstreamHarness,
    hello,
    pieces,
    request,
    text_of,
)
from tests.integration.adapters.support_http2_visits import Http2BackEnd, http2_back_end
from tests.integration.http1.support_tls import client_context
from tests.integration.support_raw_backend import RawBackend, raw_backend


class _Harness:
    def __init__(self, peer: RawBackend | Http2BackEnd, authority: bytes, upstream: HttpxOrigin | WireOrigin) -> None:
        self.authority = authority
        self.upstream = upstream
        self._peer = peer

    def serve(self, handler: Handler) -> None:
        self._peer.handler = handler

    def in_flight(self) -> int:
        return self.upstream.in_flight


class TestWireOrigin(UpstreamContract, UpstreamFailures):
    def origin(self, url: str) -> HttpxOrigin | WireOrigin:
        return WireOrigin(url)

    @asynccontextmanager
    async def harness(self) -> AsyncIterator[UpstreamHarness]:
        async with raw_backend(hello) as raw:
            harness = _Harness(raw, raw.authority, self.origin(raw.url))
            yield harness
            await harness.upstream.aclose()


class TestHttpxOrigin(TestWireOrigin):
    def origin(self, url: str) -> HttpxOrigin | WireOrigin:
        return HttpxOrigin(url)

    async def test_an_early_response_ends_the_sending(self) -> None:
        """What the contract asks for is beyond httpx: it sees an early answer once all of the body is written."""
        written: list[int] = []

        async def body() -> AsyncIterator[bytes]:
            for number in range(50):
                yield b"x" * 10_000
                written.append(number)
                await asyncio.sleep(0)

        async def handler(incoming: BackendRequest) -> None:
            await incoming.read()
            await incoming.head(413, length=3)
            await incoming.write(b"no!")
            await incoming.read_all()

        async with self.harness() as harness, asyncio.timeout(5):
            harness.serve(handler)
            answer = await harness.upstream.send(request("POST", body=body()))
            assert (answer.status, await text_of(answer), len(written)) == (413, b"no!", 50)
            await is_well(harness)


class TestHttpxOriginOverHttp2(TestHttpxOrigin):
    """What HTTP/2 has no words for is not promised over it: how a body is framed."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @asynccontextmanager
    async def harness(self) -> AsyncIterator[UpstreamHarness]:
        async with http2_back_end(hello, self.folder) as (peer, raw):
            origin = HttpxOrigin(raw.url, http2=True, ssl_context=client_context(self.folder))
            yield _Harness(peer, raw.url.removeprefix("https://").encode(), origin)
            await origin.aclose()

    async def test_framing_follows_from_body_and_length(self) -> None:
        """A length is told where there is one. A body without one has no other sign than its end."""
        seen: list[tuple[Headers, bytes]] = []

        async def handler(incoming: BackendRequest) -> None:
            seen.append((incoming.headers[1:], await incoming.read_all()))
            await incoming.head(200, length=0)

        async with self.harness() as harness:
            harness.serve(handler)
            for outbound in (
                request("GET"),
                request("POST", length=0),
                request("POST", body=pieces(b"ab", b"", b"c"), length=3),
                request("POST", body=pieces(b"ab", b"", b"c")),
            ):
                await text_of(await harness.upstream.send(outbound))
            three = [(b"content-length", b"3")]
            assert seen == [([], b""), ([(b"content-length", b"0")], b""), (three, b"abc"), ([], b"abc")]
