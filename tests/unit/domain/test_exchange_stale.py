"""Rule 5 of the exchange: what serves while a dependency fails."""

import asyncio
import gc

import pytest

from talaria.domain.errors import (
    IdentityUnknown,
    PartnerUserRefused,
    PartnerUserUnknown,
    Refusal,
    TimedOut,
    Unreachable,
)
from talaria.domain.events import RequestContext
from talaria.domain.exchange import SERVE_STALE_SECONDS
from tests.support_refusals import by
from tests.unit.domain.support_exchange import FAULTS, PHONE, World, expired, in_trouble, key, person
from tests.unit.support_time import run, settle

DEFINITE: list[Refusal] = [IdentityUnknown(), PartnerUserUnknown(), PartnerUserRefused()]
by_reason = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.reason}-{fault.origin}")


@by_reason
def test_a_stale_pair_serves_while_a_dependency_fails(fault: Refusal) -> None:
    async def main() -> None:
        world = await expired()
        world.down(fault)
        context = RequestContext("r-2")
        assert await world.ask(context=context) == "u-1"
        assert (context.exchange, len(context.attempts)) == ("stale", 1)

    run(main())


def test_a_stale_pair_does_not_serve_past_its_time() -> None:
    async def main() -> None:
        world = World()
        await world.ask()
        world.down(Unreachable("personal"))
        world.clock.move(900 + 3599.9)
        assert await world.ask() == "u-1"
        world.clock.move(0.2)
        with pytest.raises(Unreachable, check=by("personal")):
            await world.ask()

    run(main())


def test_without_stale_if_error_an_expired_pair_never_serves() -> None:
    async def main() -> None:
        world = World(stale_if_error=0.0)
        await world.ask()
        world.clock.move(900)
        world.down(Unreachable("personal"))
        for _ in range(2):
            with pytest.raises(Unreachable, check=by("personal")):
                await world.ask()

    run(main())


@pytest.mark.parametrize("definite", DEFINITE, ids=lambda refusal: refusal.reason)
def test_a_definite_answer_wins_over_a_stale_pair(definite: Refusal) -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.fail_next.append(definite)
        with pytest.raises(type(definite)):
            await world.ask()
        world.clock.move(11)
        world.down(Unreachable("personal"))
        with pytest.raises(Unreachable, check=by("personal")):  # the old pair is gone for good
            await world.ask()

    run(main())


def test_in_trouble_stale_pairs_serve_at_once_with_one_refresh_for_each_behind_them() -> None:
    async def main() -> None:
        world = await in_trouble()
        world.directory.script.gate.clear()
        before = world.clock.now()
        assert [await world.ask() for _ in range(3)] == ["u-1"] * 3
        await settle()
        assert (world.clock.now(), world.calls[0]) == (before, 3)
        world.directory.script.gate.set()
        await settle()
        assert await world.ask() == "u-1"
        assert world.results == ["miss", "stale", "stale", "stale", "stale", "hit"]

    run(main())


def test_the_end_of_trouble_is_tried_by_waiting_again() -> None:
    async def main() -> None:
        world = await in_trouble()
        world.clock.move(SERVE_STALE_SECONDS)
        world.accounts.users[PHONE] = "u-9"
        assert await world.ask() == "u-9"

    run(main())


def test_trouble_of_one_partner_does_not_touch_another() -> None:
    async def main() -> None:
        world = World()
        await world.ask(partner="bolt")
        await world.ask()
        world.clock.move(901)
        world.accounts.script.failing = Unreachable("partner")
        assert await world.ask() == "u-1"
        world.others.users[PHONE] = "bolt-9"
        assert await world.ask(partner="bolt") == "bolt-9"

    run(main())


def test_a_definite_answer_behind_a_stale_one_ends_it() -> None:
    async def main() -> None:
        world = await in_trouble()
        world.accounts.users[PHONE] = PartnerUserRefused()
        assert await world.ask() == "u-1"
        await settle()
        with pytest.raises(PartnerUserRefused):
            await world.ask()

    run(main())


def test_a_hanging_dependency_leaves_the_other_half_of_the_time_to_the_upstream() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        started = world.clock.now()
        assert await world.ask(within=1.0, route=10.0) == "u-1"
        assert world.clock.now() - started == pytest.approx(0.5)
        await asyncio.sleep(9.6)  # the refresh went on behind until the route's time was up, and found trouble
        before = world.clock.now()
        assert await world.ask(within=1.0) == "u-1"
        assert world.clock.now() == before

    run(main())


def test_a_pair_that_is_invalidated_under_a_waiter_is_not_served_to_it() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        waiting = world.start()
        await settle()
        world.exchange.invalidate(key())
        world.down(Unreachable("personal"))
        world.directory.script.gate.set()
        with pytest.raises(Unreachable, check=by("personal")):
            await waiting

    run(main())


def test_a_pair_that_grows_too_old_under_a_waiter_is_not_served_to_it() -> None:
    async def main() -> None:
        world = await expired(stale_if_error=3.0)
        world.directory.script.gate.clear()
        with pytest.raises(TimedOut, check=by("personal")):
            await world.ask(within=10.0)

    run(main())


def test_a_late_request_makes_no_trouble_for_others() -> None:
    async def main() -> None:
        world = await expired()
        with pytest.raises(TimedOut, check=by("personal")):
            await world.ask(person("p-2"), within=-1.0, route=-1.0)
        world.accounts.users[PHONE] = "u-9"
        assert await world.ask() == "u-9"
        assert world.calls == (2, 2)

    run(main())


def test_an_impatient_client_makes_no_trouble_for_others() -> None:
    async def main() -> None:
        world = await expired()
        world.directory.script.gate.clear()
        with pytest.raises(TimedOut, check=by("personal")):
            await world.ask(person("p-2"), within=0.001)
        world.directory.script.gate.set()
        world.accounts.users[PHONE] = "u-9"
        assert await world.ask() == "u-9"

    run(main())


def test_a_success_ends_the_trouble() -> None:
    async def main() -> None:
        world = await in_trouble()
        await world.ask(person("p-2"))
        world.accounts.users[PHONE] = "u-9"
        assert await world.ask() == "u-9"

    run(main())


def test_a_failed_background_refresh_is_no_unretrieved_exception() -> None:
    async def main() -> None:
        world = World()
        unseen: list[object] = []
        world.clock.set_exception_handler(lambda _, context: unseen.append(context))
        await world.ask()
        world.clock.move(901)
        world.directory.script.fail_next += [Unreachable("personal"), Unreachable("personal")]
        assert [await world.ask(), await world.ask()] == ["u-1", "u-1"]
        await settle()
        gc.collect(1)
        assert unseen == []

    run(main())
