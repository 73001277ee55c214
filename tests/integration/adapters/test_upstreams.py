"""Both real versions of `Upstream` pass its contract over sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from talaria.adapters.contracts.upstream import UpstreamContract
from talaria.adapters.contracts.upstream_failures import UpstreamFailures, is_well
from talaria.adapters.contracts.upstream_world import Script, UpstreamWorld, Visit, hello, request, text_of
from talaria.adapters.httpx_origin import HttpxOrigin
from talaria.adapters.wire.origin import WireOrigin
from tests.integration.support_visits import RawBackEnd, back_end


class _World:
    def __init__(self, raw: RawBackEnd, upstream: HttpxOrigin | WireOrigin) -> None:
        self.authority = raw.authority
        self.upstream = upstream
        self._raw = raw

    def serve(self, script: Script) -> None:
        self._raw.script = script

    def in_flight(self) -> int:
        return self.upstream.in_flight


class TestWireOrigin(UpstreamContract, UpstreamFailures):
    def origin(self, url: str) -> HttpxOrigin | WireOrigin:
        return WireOrigin(url)

    @asynccontextmanager
    async def world(self) -> AsyncIterator[UpstreamWorld]:
        async with back_end(hello) as raw:
            world = _World(raw, self.origin(raw.url))
            yield world
            await world.upstream.aclose()


class TestHttpxOrigin(TestWireOrigin):
    def origin(self, url: str) -> HttpxOrigin | WireOrigin:
        return HttpxOrigin(url)

    async def test_an_early_answer_ends_the_sending(self) -> None:
        """What the contract asks for is beyond httpx: it sees an early answer once all of the body is written."""
        written: list[int] = []

        async def body() -> AsyncIterator[bytes]:
            for number in range(50):
                yield b"x" * 10_000
                written.append(number)
                await asyncio.sleep(0)

        async def script(visit: Visit) -> None:
            await visit.read()
            await visit.head(413, length=3)
            await visit.write(b"no!")
            await visit.read_all()

        async with self.world() as world, asyncio.timeout(5):
            world.serve(script)
            answer = await world.upstream.send(request("POST", body=body()))
            assert (answer.status, await text_of(answer), len(written)) == (413, b"no!", 50)
            await is_well(world)
