"""A simulated service as a test wants it, and the client of a dependency that asks it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.dependency_client import DependencyClient
from talaria.domain.errors import DependencyFaults
from talaria.sandbox.faults import Faults
from talaria.sandbox.service import SimulatedService
from talaria.testing import MemoryRecorder
from talaria.testing.contracts.dependencies import Failure

SCRIPTS: dict[Failure | None, Faults] = {
    None: Faults(),
    "unreachable": Faults(error_rate=1, reset=True),
    "bad_answer": Faults(error_rate=1, status=200, body="[]"),
    "timeout": Faults(latency=60),
    "overloaded": Faults(error_rate=1, status=503, retry_after="7"),
}


@asynccontextmanager
async def client_of(
    service: SimulatedService, faults: DependencyFaults, transport: httpx.AsyncBaseTransport
) -> AsyncIterator[DependencyClient]:
    """A client of the service, which runs meanwhile on a free port."""
    service.bind("127.0.0.1", 0)
    await service.start()
    try:
        recorder, clock = MemoryRecorder(), MonotonicClock()
        client = DependencyClient(
            *(service.name, service.url, faults),
            timeout=5,
            attempts=3,
            recorder=recorder,
            clock=clock,
            transport=transport,
        )
        try:
            yield client
        finally:
            await client.aclose()
    finally:
        await service.stop()
