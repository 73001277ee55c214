"""lynx passes the conformance suite, and the cases of its tokens."""

import asyncio
from functools import partial

import pytest

from talaria.adapters.http1.transport import Http1Transport
from talaria.adapters.partner_kit import EmailAddress, PartnerBadAnswer, PartnerUserId
from talaria.adapters.tls import client_tls
from talaria.domain.errors import DependencyFault, Overloaded
from talaria.testing.conformance import PartnerConformance
from talaria.testing.contracts.dependencies import call
from talaria.testing.simulator import Script, accounts_of
from talaria_lynx import Accounts
from talaria_lynx.simulator import SimulatedLynx

EMAIL = EmailAddress("anna@people.example")
ANNA = PartnerUserId(SimulatedLynx.user_ids[0])


class TestLynx(PartnerConformance):
    adapter = Accounts
    simulator = SimulatedLynx

    async def test_a_token_serves_many_questions_and_is_fetched_once_for_those_at_once(self) -> None:
        async with self.partner() as harness:
            lynx = harness.service
            assert isinstance(lynx, SimulatedLynx)
            await asyncio.gather(*(harness.accounts.user_of(EMAIL, call()) for _ in range(5)))
            assert await harness.accounts.user_of(EMAIL, call()) == ANNA
            assert (lynx.requests.count, lynx.authorization_server.requests.count) == (6, 1)

    async def test_a_revoked_token_is_fetched_once_more(self) -> None:
        async with self.partner() as harness:
            lynx = harness.service
            assert isinstance(lynx, SimulatedLynx)
            await harness.accounts.user_of(EMAIL, call())
            lynx.authorization_server.good.clear()
            told = call()
            assert await harness.accounts.user_of(EMAIL, told) == ANNA
            assert [attempt.outcome for attempt in told.attempts] == ["401", "ok", "ok"]

    async def test_without_our_certificate_nothing_is_answered(self) -> None:
        async with self.partner(attempts=1) as harness:
            lynx = harness.service
            assert isinstance(lynx, SimulatedLynx)
            assert lynx.tls is not None
            options, secrets = lynx.options, {"client_secret": lynx.authorization_server.client_secret}
            context = client_tls(lynx.tls.service[0])
            stranger = partial(accounts_of, Accounts, lynx.url, options=options, secrets=secrets, attempts=1)
            async with stranger(transport=lambda: Http1Transport(ssl_context=context)) as accounts:
                with pytest.raises(DependencyFault):
                    await accounts.user_of(EMAIL, call())
            assert (lynx.requests.count, lynx.authorization_server.requests.count) == (0, 0)

    async def test_an_authorization_server_that_fails_is_a_fault_of_the_partner(self) -> None:
        async with self.partner(attempts=1) as harness:
            lynx = harness.service
            assert isinstance(lynx, SimulatedLynx)
            lynx.authorization_server.faults = Script(error_rate=1)
            with pytest.raises(Overloaded):
                await harness.accounts.user_of(EMAIL, call())
            lynx.authorization_server.faults = Script(error_rate=1, status=400)
            with pytest.raises(PartnerBadAnswer, match="no token: status 400"):
                await harness.accounts.user_of(EMAIL, call())
            assert lynx.requests.count == 0
