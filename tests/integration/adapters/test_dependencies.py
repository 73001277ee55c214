"""personal and wind pass their contracts against the simulated services, over both transports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.contracts.dependencies import (
    BLOCKED,
    PHONES,
    STRANGER,
    USERS,
    AccountsWorld,
    DirectoryWorld,
    PartnerAccountsContract,
    PhoneDirectoryContract,
    Trouble,
)
from talaria.adapters.http_client import DependencyClient
from talaria.adapters.httpx_transport import httpx_transport
from talaria.adapters.memory import MemoryRecorder
from talaria.adapters.partners.wind import Accounts
from talaria.adapters.personal import Personal
from talaria.adapters.wire.transport import WireTransport
from talaria.domain.errors import PARTNER, PERSONAL, Faults
from talaria.entrypoints.sandbox import personal, wind
from talaria.entrypoints.sandbox.faults import Faults as Script
from talaria.entrypoints.sandbox.service import Service

SCRIPTS: dict[Trouble | None, Script] = {
    None: Script(),
    "unreachable": Script(error_rate=1, reset=True),
    "bad_answer": Script(error_rate=1, status=200, body="[]"),
    "timeout": Script(latency=60),
    "overloaded": Script(error_rate=1, status=503, retry_after="7"),
}


@asynccontextmanager
async def client_of(
    service: Service, faults: Faults, transport: httpx.AsyncBaseTransport
) -> AsyncIterator[DependencyClient]:
    service.bind("127.0.0.1", 0)
    await service.start()
    client = DependencyClient(
        service.name,
        service.url,
        faults,
        timeout=5,
        attempts=3,
        recorder=MemoryRecorder(),
        clock=MonotonicClock(),
        transport=transport,
    )
    try:
        yield client
    finally:
        await client.aclose()
        await service.stop()


class _Directory:
    def __init__(self, service: personal.Personal, client: DependencyClient) -> None:
        self.directory = Personal(client, service.token)
        self._service = service

    async def suffer(self, trouble: Trouble | None) -> None:
        self._service.faults = SCRIPTS[trouble]


class _Accounts:
    def __init__(self, service: wind.Wind, client: DependencyClient) -> None:
        self.accounts = Accounts(client, service.api_key)
        self._service = service

    async def suffer(self, trouble: Trouble | None) -> None:
        self._service.faults = SCRIPTS[trouble]


class TestPersonalOverTheWire(PhoneDirectoryContract):
    def transport(self) -> httpx.AsyncBaseTransport:
        return WireTransport()

    @asynccontextmanager
    async def world(self) -> AsyncIterator[DirectoryWorld]:
        service = personal.Personal("the-token")
        service.phones = dict(PHONES)
        async with client_of(service, PERSONAL, self.transport()) as client:
            yield _Directory(service, client)


class TestPersonalOverHttpx(TestPersonalOverTheWire):
    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx_transport(max_connections=64)


class TestWindOverTheWire(PartnerAccountsContract):
    def transport(self) -> httpx.AsyncBaseTransport:
        return WireTransport()

    @asynccontextmanager
    async def world(self) -> AsyncIterator[AccountsWorld]:
        service = wind.Wind("the-key")
        service.users, service.blocked, service.without_account = dict(USERS), {BLOCKED}, {STRANGER}
        async with client_of(service, PARTNER, self.transport()) as client:
            yield _Accounts(service, client)


class TestWindOverHttpx(TestWindOverTheWire):
    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx_transport(max_connections=64)
