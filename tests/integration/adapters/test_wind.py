"""wind passes its contract against the simulated service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.http1.transport import Http1Transport
from talaria.adapters.partner_kit import AdapterAccounts, PartnerContext, PartnerHttp, Sensitive
from talaria.adapters.partners.wind import Accounts
from talaria.domain.errors import PARTNER
from talaria.sandbox import wind
from talaria.testing.contracts.dependencies import (
    BLOCKED,
    STRANGER,
    USERS,
    Failure,
    PartnerAccountsContract,
    PartnerAccountsHarness,
)
from tests.integration.adapters.support_dependencies import SCRIPTS, client_of


class _Accounts:
    def __init__(self, service: wind.SimulatedWind, client: DependencyClient) -> None:
        http = PartnerHttp(client)
        key = Sensitive(service.api_key)
        context = PartnerContext("wind", None, key, http, lambda _: http, MonotonicClock())
        self.accounts = AdapterAccounts(Accounts(context), http)
        self._service = service

    async def set_failure(self, failure: Failure | None) -> None:
        self._service.faults = SCRIPTS[failure]


class TestWind(PartnerAccountsContract):
    def transport(self) -> httpx.AsyncBaseTransport:
        return Http1Transport()

    @asynccontextmanager
    async def harness(self) -> AsyncIterator[PartnerAccountsHarness]:
        service = wind.SimulatedWind("the-key")
        service.users, service.blocked, service.without_account = dict(USERS), {BLOCKED}, {STRANGER}
        async with client_of(service, PARTNER, self.transport()) as client:
            yield _Accounts(service, client)
