"""The real version of `Upstream` passes its contract over sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from talaria.adapters.balanced_upstream import Backend, BalancedUpstream
from talaria.adapters.clock import MonotonicClock
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.adapters.talaria_services import TalariaServices
from talaria.testing import MemoryRecorder
from talaria.testing.contracts.upstream import UpstreamContract
from talaria.testing.contracts.upstream_failures import UpstreamFailures
from talaria.testing.contracts.upstream_harness import Handler, UpstreamHarness, hello
from tests.integration.support_raw_backend import RawBackend, raw_backend


class _Harness:
    def __init__(self, peer: RawBackend) -> None:
        self.authority = peer.authority
        self._client = Http1Upstream(peer.url)
        clock = MonotonicClock()
        balanced = BalancedUpstream("upstream", [Backend(self._client)], clock, MemoryRecorder())
        self.upstream = TalariaServices(balanced, clock)
        self._peer = peer

    def serve(self, handler: Handler) -> None:
        self._peer.handler = handler

    def in_flight(self) -> int:
        return self._client.in_flight


class TestTalariaServices(UpstreamContract, UpstreamFailures):
    @asynccontextmanager
    async def harness(self) -> AsyncIterator[UpstreamHarness]:
        async with raw_backend(hello) as raw:
            harness = _Harness(raw)
            yield harness
            await harness.upstream.aclose()
