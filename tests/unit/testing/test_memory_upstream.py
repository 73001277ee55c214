"""The upstream in memory passes the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from talaria.testing import MemoryUpstream
from talaria.testing.contracts.upstream import UpstreamContract
from talaria.testing.contracts.upstream_failures import UpstreamFailures
from talaria.testing.contracts.upstream_harness import Handler, UpstreamHarness, hello


class _Harness:
    authority = b"memory"

    def __init__(self) -> None:
        self.upstream = MemoryUpstream(hello)

    def serve(self, handler: Handler) -> None:
        self.upstream.handler = handler

    def in_flight(self) -> int:
        return self.upstream.in_flight


class TestMemoryUpstream(UpstreamContract, UpstreamFailures):
    @asynccontextmanager
    async def harness(self) -> AsyncIterator[UpstreamHarness]:
        harness = _Harness()
        yield harness
        await harness.upstream.aclose()
