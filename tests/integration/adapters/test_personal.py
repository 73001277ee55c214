"""personal passes its contract against the simulated service, over both transports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.http1.transport import WireTransport
from talaria.adapters.httpx_transport import httpx_transport
from talaria.adapters.personal import Personal
from talaria.domain.errors import PERSONAL
from talaria.sandbox import personal
from talaria.testing.contracts.dependencies import PHONES, Failure, PhoneDirectoryContract, PhoneDirectoryHarness
from tests.integration.adapters.support_dependencies import SCRIPTS, client_of


class _Directory:
    def __init__(self, service: personal.SimulatedPersonal, client: DependencyClient) -> None:
        self.directory = Personal(client, service.token)
        self._service = service

    async def set_failure(self, failure: Failure | None) -> None:
        self._service.faults = SCRIPTS[failure]


class TestPersonalOverTheWire(PhoneDirectoryContract):
    def transport(self) -> httpx.AsyncBaseTransport:
        return WireTransport()

    @asynccontextmanager
    async def harness(self) -> AsyncIterator[PhoneDirectoryHarness]:
        service = personal.SimulatedPersonal("the-token")
        service.phones = dict(PHONES)
        async with client_of(service, PERSONAL, self.transport()) as client:
            yield _Directory(service, client)


class TestPersonalOverHttpx(TestPersonalOverTheWire):
    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx_transport(max_connections=64)
