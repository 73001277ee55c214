"""Rule 7 of the exchange: what is dropped, when, and what must stay."""

import asyncio

import pytest

from talaria.domain.errors import PartnerUserRefused, TimedOut
from talaria.domain.model import CachedIdentity, PartnerUserId
from tests.support_refusals import by
from tests.unit.domain.support_exchange import PHONE, World, expired, in_trouble, key, person
from tests.unit.support_time import run, settle


def test_a_disowned_flight_does_not_drop_what_a_newer_one_brought() -> None:
    async def main() -> None:
        world = World()
        world.accounts.script.gate.clear()
        world.accounts.script.fail_next.append(PartnerUserRefused())
        old = world.start()
        await settle()
        world.exchange.invalidate(key())
        world.identities.put(key(), CachedIdentity(PartnerUserId("u-9"), None, 9e9, 9e9, 0.0))
        world.accounts.script.gate.set()
        await asyncio.gather(old, return_exceptions=True)
        assert world.identities.get(key()) is not None

    run(main())


def test_invalidation_says_whether_there_was_something() -> None:
    async def main() -> None:
        world = World()
        assert not world.exchange.invalidate(key())
        await world.ask()
        await world.ask(person("p-2"))
        assert world.exchange.invalidate(key())
        assert not world.exchange.invalidate(key())
        assert world.exchange.invalidate_all() == 1
        assert world.exchange.invalidate_all() == 0

    run(main())


def test_only_the_pair_that_was_used_is_forgotten() -> None:
    async def main() -> None:
        world = World()
        await world.ask()
        await world.ask(person("p-2"))
        world.forget("another-user")
        assert len(world.identities) == 2
        world.forget("u-1")
        assert (world.identities.get(key()), len(world.identities)) == (None, 1)

    run(main())


def test_what_relies_on_an_evicted_pair_ends_as_it_is_forgotten() -> None:
    async def main() -> None:
        world = World(max_entries=1)
        await world.ask()
        revocation = world.identities.revocations.of(key())
        await world.ask(person("p-2"))
        assert not revocation.revoked
        world.forget("u-1")
        assert revocation.revoked

    run(main())


@pytest.mark.parametrize("answered_after", [4.0, 6.0, 9.0])
def test_a_waiter_with_a_stale_pair_that_is_invalidated_has_all_of_its_time(answered_after: float) -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        waiting = world.start()
        await asyncio.sleep(1)
        world.forget("u-1")
        await asyncio.sleep(answered_after - 1)
        world.directory.script.gate.set()
        assert await waiting == "u-1"
        assert world.results == ["miss", "miss"]

    run(main())


def test_to_forget_an_evicted_pair_leaves_the_flight_that_is_to_replace_it() -> None:
    async def main() -> None:
        world = World()
        world.accounts.script.gate.clear()
        asking = world.start()
        await settle()
        world.forget("u-0")
        world.accounts.script.gate.set()
        await asking
        assert world.identities.get(key()) is not None

    run(main())


def test_a_waiter_with_a_stale_pair_that_is_invalidated_leaves_at_its_deadline() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        waiting, started = world.start(), world.clock.now()
        await asyncio.sleep(1)
        world.forget("u-1")
        with pytest.raises(TimedOut, check=by("personal")):
            await waiting
        assert world.clock.now() - started == pytest.approx(10.0)
        assert world.calls == (3, 1)

    run(main())


def test_a_thousand_requests_with_the_same_dead_pair_make_one_new_flight() -> None:
    async def main() -> None:
        world = World()
        await world.ask()
        world.accounts.users[PHONE] = "u-9"
        world.directory.script.gate.clear()
        tasks = []
        for _ in range(1000):
            world.forget("u-1")
            tasks.append(world.start())
            await asyncio.sleep(0)
        world.directory.script.gate.set()
        assert set(await asyncio.gather(*tasks)) == {"u-9"}
        assert world.calls == (2, 2)

    run(main())


def test_forgetting_disowns_the_refresh_that_may_bring_the_dead_pair_again() -> None:
    async def main() -> None:
        world = await in_trouble()
        world.accounts.script.gate.clear()
        assert await world.ask() == "u-1"  # stale, with a refresh behind it
        await settle()
        world.forget("u-1")
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        world.accounts.script.gate.set()
        await settle()
        assert world.identities.get(key()) is None

    run(main())


def test_closing_ends_what_goes_on_behind() -> None:
    async def main() -> None:
        world = await in_trouble()
        world.directory.script.gate.clear()
        await world.ask()
        await settle()
        await world.exchange.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_an_old_flight_that_lands_does_not_clear_away_a_new_one() -> None:
    async def main() -> None:
        world = World()
        world.accounts.script.gate.clear()
        old = world.start()
        await settle()
        world.exchange.invalidate(key())
        world.directory.script.gate.clear()
        new = world.start()
        await settle()
        world.accounts.script.gate.set()
        assert await old == "u-1"
        joining = world.start()
        await settle()
        world.directory.script.gate.set()
        assert (await new, await joining) == ("u-1", "u-1")
        assert world.calls == (2, 2)

    run(main())


def test_a_refresh_that_was_disowned_ends_with_its_last_waiter() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        patient = world.start(within=8.0)
        assert await world.ask(within=2.0) == "u-1"  # from now on the refresh may go on behind
        world.exchange.invalidate(key())
        patient.cancel()
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


def test_a_disowned_flight_does_not_go_on_behind() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        waiting = world.start(within=2.0)
        await settle()
        world.exchange.invalidate(key())
        with pytest.raises(TimedOut, check=by("personal")):
            await waiting
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
