"""comet passes the conformance suite, and two cases of its own."""

import pytest

from talaria.adapters.partner_kit import PartnerBadAnswer, PhoneNumber
from talaria.testing.conformance import PartnerConformance
from talaria.testing.contracts.dependencies import call
from talaria.testing.simulator import Script
from talaria_comet import Accounts
from talaria_comet.simulator import SimulatedComet

PHONE = PhoneNumber("+4915112345678")


class TestComet(PartnerConformance):
    adapter = Accounts
    simulator = SimulatedComet

    async def test_each_attempt_has_a_nonce_of_its_own(self) -> None:
        async with self.partner() as harness:
            harness.service.faults = Script(next_failures=2)
            await harness.accounts.user_of(PHONE, call())
            nonces = [request.header(b"x-comet-nonce") for request in harness.service.requests.all]
            assert len({nonce for (nonce,) in nonces}) == len(nonces) == 4

    async def test_a_202_without_a_place_is_a_bad_answer(self) -> None:
        async with self.partner() as harness:
            harness.service.faults = Script(error_rate=1, status=202, body="{}")
            with pytest.raises(PartnerBadAnswer, match="202 without the place"):
                await harness.accounts.user_of(PHONE, call())
