"""Rule 6 of the exchange: before a request that says how old a pair may be, an older one is exchanged again."""

import asyncio

import pytest

from talaria.domain.errors import IdentityUnknown, PartnerUserRefused, Refusal, TimedOut
from talaria.domain.events import RequestContext
from tests.unit.domain.support_exchange import FAULTS, PHONE, World, expired, in_trouble, key
from tests.unit.support_time import run, settle

by_reason = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.reason}-{fault.origin}")


def test_a_pair_serves_to_the_last_moment_of_its_age_and_is_exchanged_again_past_it() -> None:
    async def main() -> None:
        world = World()
        await world.ask()
        world.accounts.users[PHONE] = "u-9"
        world.clock.move(60)
        assert await world.ask(max_age=60) == "u-1"
        world.clock.move(0.001)
        assert await world.ask() == "u-1"
        context = RequestContext("r-2")
        assert await world.ask(max_age=60, context=context) == "u-9"
        assert (context.exchange, [a.dependency for a in context.attempts]) == ("miss", ["personal", "wind"])
        assert await world.ask() == "u-9"
        assert (world.calls, world.results) == ((2, 2), ["miss", "hit", "hit", "miss", "hit"])

    run(main())


def test_what_is_exchanged_again_is_young_again() -> None:
    async def main() -> None:
        world = World()
        for _ in range(3):
            await world.ask(max_age=60)
            world.clock.move(59)
            await world.ask(max_age=60)
            world.clock.move(2)
        assert world.calls == (3, 3)

    run(main())


@by_reason
def test_a_failure_is_passed_on_and_the_pair_goes_on_for_others(fault: Refusal) -> None:
    async def main() -> None:
        world = World()
        await world.ask()
        world.clock.move(61)
        world.down(fault)
        with pytest.raises(type(fault)):
            await world.ask(max_age=60)
        assert await world.ask() == "u-1"
        assert world.results == ["miss", "failed", "hit"]

    run(main())


@by_reason
@pytest.mark.parametrize("max_age", [0.0, 60.0, 1e9])
def test_a_stale_pair_never_serves_it_however_young_it_may_be(fault: Refusal, max_age: float) -> None:
    async def main() -> None:
        world = await expired()
        world.down(fault)
        with pytest.raises(type(fault)):
            await world.ask(max_age=max_age)
        assert await world.ask() == "u-1"

    run(main())


def test_nor_at_once_in_trouble() -> None:
    async def main() -> None:
        world = await in_trouble()
        world.accounts.users[PHONE] = "u-9"
        assert await world.ask(max_age=1e9) == "u-9"

    run(main())


def test_a_request_beside_it_gets_the_stale_pair_of_the_same_flight() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        strict, other = world.start(max_age=60), world.start()
        await settle()
        world.down(FAULTS[0])
        world.directory.script.gate.set()
        ended = await asyncio.gather(strict, other, return_exceptions=True)
        assert (type(ended[0]), ended[1], world.calls[0]) == (type(FAULTS[0]), "u-1", 2)

    run(main())


def test_it_waits_for_all_of_its_time_where_a_stale_pair_would_serve_after_half() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        started = world.clock.now()
        with pytest.raises(TimedOut):
            await world.ask(within=1.0, max_age=60)
        assert world.clock.now() - started == pytest.approx(1.0)

    run(main())


@pytest.mark.parametrize("definite", [IdentityUnknown(), PartnerUserRefused()], ids=lambda one: one.reason)
def test_a_definite_answer_ends_the_pair_for_all(definite: Refusal) -> None:
    async def main() -> None:
        world = World()
        await world.ask()
        world.clock.move(61)
        world.directory.script.fail_next.append(definite)
        with pytest.raises(type(definite)):
            await world.ask(max_age=60)
        kept = world.identities.get(key())
        assert kept is None or kept.user_id is None

    run(main())


def test_a_no_is_kept_as_for_every_request() -> None:
    async def main() -> None:
        world = World()
        world.directory.phones.clear()
        for _ in range(2):
            with pytest.raises(IdentityUnknown):
                await world.ask(max_age=0)
            world.clock.move(5)
        assert world.calls[0] == 1

    run(main())


def test_many_at_once_are_one_exchange() -> None:
    async def main() -> None:
        world = World()
        await world.ask()
        world.clock.move(61)
        assert await asyncio.gather(*(world.ask(max_age=60) for _ in range(10))) == ["u-1"] * 10
        assert world.calls == (2, 2)

    run(main())


def test_what_is_kept_is_fresh_for_such_a_request_only_while_it_is_young() -> None:
    async def main() -> None:
        world = World()
        assert world.exchange.fresh_for(key(), 60) == 0.0
        await world.ask()
        world.clock.move(20)
        assert (world.exchange.fresh_for(key(), 60), world.exchange.fresh_for(key())) == (40.0, 880.0)
        world.clock.move(50)
        assert (world.exchange.fresh_for(key(), 60), world.exchange.fresh_for(key(), 1e9)) == (0.0, 830.0)

    run(main())
