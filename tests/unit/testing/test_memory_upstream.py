"""The upstream in memory passes the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from talaria.testing.contracts.upstream import UpstreamContract
from talaria.testing.contracts.upstream_failures import UpstreamFailures
from talaria.testing.contracts.upstream_world import Script, UpstreamWorld, hello
from talaria.testing.memory_upstream import MemoryUpstream


class _World:
    authority = b"memory"

    def __init__(self) -> None:
        self.upstream = MemoryUpstream(hello)

    def serve(self, script: Script) -> None:
        self.upstream.handler = script

    def in_flight(self) -> int:
        return self.upstream.in_flight


class TestMemoryUpstream(UpstreamContract, UpstreamFailures):
    @asynccontextmanager
    async def world(self) -> AsyncIterator[UpstreamWorld]:
        world = _World()
        yield world
        await world.upstream.aclose()
