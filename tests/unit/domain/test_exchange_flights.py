"""Rules 2, 3, 4 and 7 of the exchange: one flight for each key; joining, leaving, ending and detaching it."""

import asyncio
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import IdentityUnknown, PartnerUserRefused, Refusal, TimedOut, Unreachable
from talaria.domain.events import HopContext
from talaria.domain.model import PersonalPhoneId, PhoneNumber
from talaria.testing import MemoryPhoneDirectory
from tests.support_refusals import by
from tests.unit.domain.support_exchange import PHONES, World, key
from tests.unit.support_time import run, settle

HopOrigin = Literal["personal", "partner"]


async def end(tasks: list["asyncio.Task[str]"]) -> list[str]:
    """What became of each."""
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    return [result if isinstance(result, str) else type(result).__name__ for result in ended]


def test_a_thousand_cold_requests_make_one_call_to_each() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        tasks = [world.start() for _ in range(1000)]
        await settle()
        world.directory.script.gate.set()
        assert await end(tasks) == ["u-1"] * 1000
        assert world.calls == (1, 1)
        assert sorted(world.results) == ["coalesced"] * 999 + ["miss"]

    run(main())


@given(leaving=st.lists(st.integers(0, 7), max_size=8, unique=True), during=st.sampled_from(["personal", "wind"]))
def test_any_waiter_may_leave_at_any_time(leaving: list[int], during: str) -> None:
    async def main() -> None:
        world = World()
        gate = (world.directory if during == "personal" else world.accounts).script.gate
        gate.clear()
        tasks = [world.start() for _ in range(8)]
        await settle()
        for index in leaving:
            tasks[index].cancel()
            await settle()
        gate.set()
        expected = ["CancelledError" if index in leaving else "u-1" for index in range(8)]
        assert await end(tasks) == expected
        assert len(world.identities) == (len(leaving) < 8)
        assert (world.calls[0], world.results.count("miss")) == (1, 0 not in leaving)

    run(main())


@pytest.mark.parametrize("steps", range(12))
def test_leaving_after_any_step_leaves_nothing_behind(steps: int) -> None:
    async def main() -> None:
        world = World()
        task = world.start()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        ended = await end([task])
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await world.ask() == "u-1"
        assert ended in (["CancelledError"], ["u-1"])

    run(main())


def test_a_request_after_a_cancelled_flight_starts_a_new_one() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        first = world.start()
        await settle()
        first.cancel()
        second = world.start()
        world.directory.script.gate.set()
        assert await end([first, second]) == ["CancelledError", "u-1"]
        assert world.calls[0] == 2

    run(main())


def test_a_request_right_after_the_last_waiter_left_starts_a_new_one() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        first = world.start()
        await settle()
        first.cancel()
        await end([first])
        second = world.start()  # the flight that was given up is cancelled, but may not have ended yet
        world.directory.script.gate.set()
        assert await end([second]) == ["u-1"]

    run(main())


@pytest.mark.parametrize("refusal", [Unreachable("personal", "x"), IdentityUnknown(), PartnerUserRefused()], ids=repr)
def test_a_bad_end_reaches_every_waiter(refusal: Refusal) -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        world.directory.script.fail_next.append(refusal)
        tasks = [world.start() for _ in range(50)]
        await settle()
        world.directory.script.gate.set()
        assert await end(tasks) == [type(refusal).__name__] * 50
        assert world.calls[0] == 1

    run(main())


def test_each_waiter_leaves_at_its_own_deadline() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        started = world.clock.now()
        ended: list[float] = []

        async def one(within: float) -> None:
            with pytest.raises(TimedOut, check=by("personal")):
                await world.ask(within=within, route=10.0)
            ended.append(world.clock.now() - started)

        await asyncio.gather(*(one(within) for within in (3.0, 1.0, 2.0)))
        assert ended == pytest.approx([1.0, 2.0, 3.0])
        assert world.calls[0] == 1

    run(main())


def test_an_impatient_client_does_not_shorten_the_flight_of_another() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        first, second = world.start(within=0.01), world.start(within=10.0)
        await asyncio.sleep(5)
        world.directory.script.gate.set()
        assert await end([first, second]) == ["TimedOut", "u-1"]
        assert world.calls == (1, 1)

    run(main())


class HastyDirectory(MemoryPhoneDirectory):
    """One with timers that fire `early` (seconds), as those of an event loop may."""

    early = 0.0

    async def phone_of(self, phone_id: PersonalPhoneId, call: HopContext) -> PhoneNumber:
        call.timeout -= self.early
        return await super().phone_of(phone_id, call)


@pytest.mark.parametrize("early", [0.0, 0.004])
def test_a_waiter_with_time_left_after_the_hop_starts_a_new_flight(early: float) -> None:
    async def main() -> None:
        directory = HastyDirectory(PHONES)
        directory.early = early
        world = World(directory=directory)
        world.directory.script.gate.clear()
        tasks = [world.start(within=1.0, route=1.0)]
        await settle()
        tasks += [world.start(within=10.0) for _ in range(5)]
        await asyncio.sleep(2)
        world.directory.script.gate.set()
        assert await end(tasks) == ["TimedOut", *["u-1"] * 5]
        assert world.calls == (2, 1)

    run(main())


def test_the_second_hop_has_the_longest_time_of_the_waiters() -> None:
    async def main() -> None:
        world = World()
        world.accounts.script.gate.clear()
        world.directory.script.gate.clear()
        tasks = [world.start(within=1.0, route=1.0), world.start(within=5.0, route=5.0)]
        await settle()
        world.directory.script.gate.set()
        await asyncio.sleep(2)
        world.accounts.script.gate.set()
        assert await end(tasks) == ["TimedOut", "u-1"]
        assert world.calls == (1, 1)

    run(main())


@pytest.mark.parametrize("origin", get_args(HopOrigin))
def test_the_hop_that_was_under_way_is_to_blame(origin: HopOrigin) -> None:
    async def main() -> None:
        world = World()
        (world.directory if origin == "personal" else world.accounts).script.gate.clear()
        with pytest.raises(TimedOut, check=by(origin)):
            await world.ask(within=1.0)

    run(main())


def test_time_that_is_up_between_the_hops_is_the_partners() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        task = world.start(within=1.0, route=1.0)
        await settle()
        world.clock.move(1.0)
        world.directory.script.gate.set()
        with pytest.raises(TimedOut, check=by("partner")):
            await task
        assert world.accounts.script.calls == 0

    run(main())


def test_no_call_is_made_for_a_request_that_is_too_late() -> None:
    async def main() -> None:
        world = World()
        with pytest.raises(TimedOut, check=by("personal")):
            await world.ask(within=-1.0, route=-1.0)
        assert world.calls == (0, 0)

    run(main())


@pytest.mark.parametrize("everything", [False, True])
def test_the_result_of_a_detached_flight_is_not_cached_and_no_request_joins_it(everything: bool) -> None:
    async def main() -> None:
        world = World()
        world.accounts.script.gate.clear()
        old = world.start()
        await settle()
        if everything:
            world.exchange.invalidate_all()
        else:
            assert world.exchange.invalidate(key())
        new = world.start()
        await settle()
        assert world.calls == (2, 2)
        world.accounts.script.gate.set()
        assert await end([old, new]) == ["u-1", "u-1"]
        assert world.results == ["miss", "miss"]

    run(main())


def test_a_disowned_flight_alone_keeps_nothing() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.gate.clear()
        old = world.start()
        await settle()
        world.exchange.invalidate(key())
        world.directory.script.gate.set()
        assert await end([old]) == ["u-1"]
        assert len(world.identities) == 0

    run(main())
