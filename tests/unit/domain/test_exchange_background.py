"""Rules 3, 5 and 6 of the exchange where a flight has no waiter: refreshing, shedding, closing, another cache."""

import asyncio

import pytest

from talaria.domain.errors import GatewayOverloaded, PartnerUserRefused, TimedOut, Unreachable
from talaria.domain.events import RequestContext
from talaria.testing import MemoryIdentityCache
from tests.support_refusals import by
from tests.unit.domain.support_exchange import PHONE, World, expired, in_trouble, key, person
from tests.unit.support_time import run, settle


def flights() -> int:
    """Tasks beside the test's own."""
    return len(asyncio.all_tasks()) - 1


async def refreshing(stale_if_error: float = 3600.0) -> World:
    """A pair has been served stale at once, and its background refresh waits for personal."""
    world = await in_trouble(stale_if_error)
    world.directory.script.gate.clear()
    assert await world.ask() == "u-1"
    await settle()
    assert flights() == 1
    return world


def test_a_background_refresh_outlasts_a_waiter_that_joins_it_and_leaves() -> None:
    async def main() -> None:
        world = await refreshing()
        world.clock.move(6)  # no trouble is known any more: the next request waits
        joined = world.start()
        await settle()
        joined.cancel()
        await settle()
        assert flights() == 1
        world.accounts.users[PHONE] = "u-9"
        world.directory.script.gate.set()
        await settle()
        assert (await world.ask(), world.calls[0]) == ("u-9", 3)

    run(main())


def test_a_background_refresh_outlasts_a_waiter_for_which_no_pair_is_left_to_serve() -> None:
    async def main() -> None:
        world = await refreshing(stale_if_error=5.0)
        world.clock.move(6)  # past `stale_until`
        with pytest.raises(TimedOut, check=by("personal")):
            await world.ask(within=0.5, route=0.5)
        assert flights() == 1
        world.directory.script.gate.set()
        await settle()
        assert (await world.ask(), world.calls[0]) == ("u-1", 3)

    run(main())


def test_a_flight_goes_on_in_the_background_when_half_of_the_time_of_a_stale_pair_is_over() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        assert await world.ask(within=1.0) == "u-1"
        assert flights() == 1
        world.accounts.users[PHONE] = "u-9"
        world.directory.script.gate.set()
        await settle()
        assert await world.ask() == "u-9"

    run(main())


def test_a_flight_without_a_stale_pair_ends_with_the_patience_of_its_last_waiter() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        with pytest.raises(TimedOut, check=by("personal")):
            await world.ask(within=1.0, route=10.0)
        await settle()
        assert flights() == 0

    run(main())


def test_a_flight_that_was_detached_does_not_go_on_in_the_background() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        waiting = world.start(within=1.0)
        await settle()
        world.exchange.invalidate(key())
        with pytest.raises(TimedOut, check=by("personal")):
            await waiting
        await settle()
        assert flights() == 0

    run(main())


@pytest.mark.parametrize("everything", [False, True])
def test_a_background_refresh_that_is_detached_ends_at_once(everything: bool) -> None:
    async def main() -> None:
        world = await refreshing()
        world.exchange.invalidate_all() if everything else world.exchange.invalidate(key())
        await settle()
        assert flights() == 0

    run(main())


def test_a_flight_that_is_cancelled_is_no_unseen_exception() -> None:
    async def main() -> None:
        world = await refreshing()
        unseen: list[object] = []
        world.clock.set_exception_handler(lambda _, context: unseen.append(context))
        world.exchange.invalidate(key())
        await settle()
        assert unseen == []

    run(main())


def test_to_close_cancels_every_flight_and_waits_for_its_end() -> None:
    async def main() -> None:
        world = await refreshing()
        waiting = world.start(person("p-2"))
        await settle()
        await world.exchange.close()
        assert flights() <= 1, "the waiter alone has still to hear of it"
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert flights() == 0

    run(main())


def test_to_close_without_a_flight_is_no_failure() -> None:
    async def main() -> None:
        await World().exchange.close()

    run(main())


class Full:
    """A limit that is reached, or not."""

    def __init__(self) -> None:
        self.reached = True
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.reached:
            raise GatewayOverloaded("full")


def test_a_new_flight_is_shed_where_nothing_is_cached_and_it_is_no_fault_of_a_dependency() -> None:
    async def main() -> None:
        full = Full()
        world, context = World(shed_cold=full), RequestContext("r-1")
        with pytest.raises(GatewayOverloaded):
            await world.ask(context=context)
        assert (context.exchange, world.results, world.calls, flights()) == ("failed", ["failed"], (0, 0), 0)
        full.reached = False
        assert await world.ask() == "u-1"
        assert full.asked == 2
        full.reached = True
        assert await world.ask() == "u-1", "a fresh pair costs nothing"

    run(main())


def test_a_request_that_joins_a_flight_or_has_a_stale_pair_is_not_shed() -> None:
    async def main() -> None:
        full = Full()
        full.reached = False
        world = World(shed_cold=full)
        world.directory.script.gate.clear()
        first = world.start()
        await settle()
        full.reached = True
        second = world.start()
        await settle()
        world.directory.script.gate.set()
        assert [await first, await second] == ["u-1", "u-1"]
        world.clock.move(901)
        world.accounts.users[PHONE] = "u-9"
        assert await world.ask() == "u-9"
        assert (full.asked, world.results) == (1, ["miss", "coalesced", "miss"])

    run(main())


def test_another_cache_is_used_from_now_on_and_the_shared_one_is_left_alone() -> None:
    async def main() -> None:
        world = World()
        await world.ask()
        own = MemoryIdentityCache(10)
        world.exchange.detach_cache(own)
        world.accounts.users[PHONE] = "u-9"
        assert await world.ask() == "u-9"
        assert len(own) == 1
        kept = world.identities.get(key())
        assert kept is not None
        assert kept.user_id is not None
        assert kept.user_id.reveal() == "u-1"

    run(main())


def test_less_than_a_second_is_enough_for_an_exchange() -> None:
    async def main() -> None:
        world = World()
        assert await world.ask(within=0.5, route=0.5) == "u-1"
        with pytest.raises(TimedOut) as caught:
            await world.ask(person("p-2"), within=0.0, route=0.0)
        assert (caught.value.cause, world.calls) == ("the request's time is up", (1, 1))

    run(main())


def test_only_a_timeout_of_an_earlier_deadline_starts_a_new_flight() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        short = world.start(within=1.0, route=1.0)
        await settle()
        patient = world.start(within=10.0, route=10.0)
        await settle()
        world.clock.move(1.0)
        world.directory.script.failing = Unreachable("personal")
        world.directory.script.gate.set()
        with pytest.raises(Unreachable, check=by("personal")):
            await patient
        await asyncio.gather(short, return_exceptions=True)
        assert world.calls[0] == 1

    run(main())


def test_a_stale_pair_serves_and_no_new_flight_starts_after_a_timeout() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        short = world.start(within=1.0, route=1.0)
        await settle()
        patient = world.start(within=10.0, route=10.0)
        assert [await short, await patient] == ["u-1", "u-1"]
        assert world.calls[0] == 2

    run(main())


def test_a_definite_refusal_of_a_detached_flight_drops_no_newer_pair() -> None:
    async def main() -> None:
        world = World()
        world.accounts.script.gate.clear()
        old = world.start()
        await settle()
        world.exchange.invalidate(key())
        world.accounts.script.fail_next.append(PartnerUserRefused())
        new = world.start()
        await settle()
        world.accounts.script.gate.set()
        ended = await asyncio.gather(old, new, return_exceptions=True)
        assert [type(one) for one in ended] == [PartnerUserRefused, str]
        assert len(world.identities) == 1

    run(main())
