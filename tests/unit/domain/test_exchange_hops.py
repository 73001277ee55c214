"""An exchange asks what the partner's hops say: personal for a number or for an address, then the partner."""

import asyncio
import random
from collections.abc import Mapping

import pytest

from talaria.domain.errors import IdentityUnknown, TimedOut
from talaria.domain.events import HopContext, RequestContext
from talaria.domain.exchange import CachePolicy, Exchange, draw_of
from talaria.domain.model import EMAIL_HOPS, PHONE_HOPS, EmailAddress, PartnerUserId, PersonalPhoneId, PhoneNumber
from talaria.domain.ports import PartnerAccounts
from talaria.testing import (
    MemoryClock,
    MemoryIdentityCache,
    MemoryPartnerAccounts,
    MemoryPhoneDirectory,
    MemoryRecorder,
)

EMAIL, PHONE = "anna@people.example", "+4915112345678"
DRAW_OF_ANNA = 0.05588265014590776


class World:
    """wind knows persons by number, lynx by address; personal has no address of Bob's."""

    def __init__(self, instead: Mapping[str, PartnerAccounts] | None = None) -> None:
        self.clock = MemoryClock()
        self.directory = MemoryPhoneDirectory({"anna": PHONE, "bob": "+4366012345678"}, {"anna": EMAIL})
        self.lynx = MemoryPartnerAccounts({EMAIL: "lynx-anna"}, "lynx")
        accounts = {"wind": MemoryPartnerAccounts({PHONE: "wind-anna"}), "lynx": self.lynx, **(instead or {})}
        self.exchange = Exchange(
            *(self.directory, accounts, MemoryIdentityCache(), CachePolicy(900, 10, 3600, random.random)),
            *(self.clock, MemoryRecorder()),
            hops={"lynx": EMAIL_HOPS},
        )

    async def user_of(self, partner: str, person: str = "anna") -> PartnerUserId:
        """For a request that has ten seconds."""
        deadline = self.clock.now() + 10
        key = (partner, "app", PersonalPhoneId(person))
        return await self.exchange.user_of(key, RequestContext(), deadline, deadline)


async def test_each_partner_is_asked_with_what_it_knows_persons_by() -> None:
    world = World()
    assert await world.user_of("lynx") == PartnerUserId("lynx-anna")
    assert await world.user_of("wind") == PartnerUserId("wind-anna")
    assert await world.user_of("lynx") == PartnerUserId("lynx-anna")
    assert world.directory.script.calls == 2, "the second time it is cached"


async def test_a_person_without_an_address_is_unknown_to_that_partner_alone() -> None:
    world = World()
    with pytest.raises(IdentityUnknown):
        await world.user_of("lynx", "bob")
    assert world.lynx.script.calls == 0


async def test_a_hop_that_hangs_has_its_own_origin() -> None:
    world = World()
    for script, origin in ((world.directory.script, "personal"), (world.lynx.script, "partner")):
        script.gate.clear()
        key = ("lynx", "app", PersonalPhoneId("anna"))
        now = world.clock.now()
        with pytest.raises(TimedOut) as caught:
            await world.exchange.user_of(key, RequestContext(), now + 0.01, now + 0.01)
        assert caught.value.origin == origin
        script.gate.set()
        await asyncio.sleep(0)


def test_the_hops_end_with_the_partner() -> None:
    assert [hops[-1] for hops in (PHONE_HOPS, EMAIL_HOPS)] == ["partner", "partner"]


async def test_what_a_hop_gets_names_the_person_by_a_pseudonym_and_a_draw_that_is_its_own() -> None:
    told: list[HopContext] = []

    class Listening(MemoryPartnerAccounts):
        async def user_of(self, identity: PhoneNumber | EmailAddress, call: HopContext) -> PartnerUserId:
            told.append(call)
            return await super().user_of(identity, call)

    for caller in ("app", "web"):
        world = World({"wind": Listening({PHONE: "wind-anna"})})
        key, deadline = ("wind", caller, PersonalPhoneId("anna")), world.clock.now() + 10
        await world.exchange.user_of(key, RequestContext("r-1", person="0123456789ab"), deadline, deadline)
    anna = draw_of(PersonalPhoneId("anna"))
    assert [(one.request_id, one.person, one.draw) for one in told] == [("r-1", "0123456789ab", anna)] * 2


def test_draws_are_spread_evenly_and_never_change() -> None:
    draws = [draw_of(PersonalPhoneId(f"ppid-{number}")) for number in range(2000)]
    assert 0 <= min(draws) < max(draws) < 1
    for share in (0.1, 0.5):
        assert sum(draw < share for draw in draws) == pytest.approx(2000 * share, 0.2)
    assert draw_of(PersonalPhoneId("ppid-anna")) == DRAW_OF_ANNA
