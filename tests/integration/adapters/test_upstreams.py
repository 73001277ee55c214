"""The real version of `Upstream` passes its contract over sockets, and so does the client of one url below it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from talaria.adapters.balanced_upstream import Backend, BalancedUpstream
from talaria.adapters.clock import MonotonicClock
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.adapters.talaria_services import TalariaServices
from talaria.domain.ports import Upstream
from talaria.testing.contracts.upstream import UpstreamContract
from talaria.testing.contracts.upstream_failures import UpstreamFailures
from talaria.testing.contracts.upstream_world import Script, UpstreamWorld, hello
from talaria.testing.memory import MemoryRecorder
from tests.integration.support_visits import RawBackEnd, back_end


class _World:
    def __init__(self, peer: RawBackEnd) -> None:
        self.authority = peer.authority
        self._client = Http1Upstream(peer.url)
        backend = Backend(self._client)
        clock = MonotonicClock()
        self.upstream: Upstream = TalariaServices(
            BalancedUpstream("upstream", [backend], clock, MemoryRecorder()), clock
        )
        self._peer = peer

    def serve(self, script: Script) -> None:
        self._peer.script = script

    def in_flight(self) -> int:
        return self._client.in_flight


class TestTalariaServices(UpstreamContract, UpstreamFailures):
    @asynccontextmanager
    async def world(self) -> AsyncIterator[UpstreamWorld]:
        async with back_end(hello) as raw:
            world = _World(raw)
            yield world
            await world.upstream.aclose()
