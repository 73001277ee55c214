"""personal passes its contract against the simulated service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.http1.transport import Http1Transport
from talaria.adapters.personal import Personal
from talaria.domain.errors import PERSONAL
from talaria.sandbox import personal
from talaria.testing.contracts.dependencies import (
    EMAILS,
    PHONES,
    Failure,
    PhoneDirectoryContract,
    PhoneDirectoryHarness,
)
from tests.integration.adapters.support_dependencies import SCRIPTS, client_of


class _Directory:
    def __init__(self, service: personal.SimulatedPersonal, client: DependencyClient) -> None:
        self.directory = Personal(client, service.token)
        self._service = service

    async def set_failure(self, failure: Failure | None) -> None:
        self._service.faults = SCRIPTS[failure]


class TestPersonal(PhoneDirectoryContract):
    def transport(self) -> httpx.AsyncBaseTransport:
        return Http1Transport()

    @asynccontextmanager
    async def harness(self) -> AsyncIterator[PhoneDirectoryHarness]:
        service = personal.SimulatedPersonal("the-token")
        service.phones, service.emails = dict(PHONES), dict(EMAILS)
        async with client_of(service, PERSONAL, self.transport()) as client:
            yield _Directory(service, client)
