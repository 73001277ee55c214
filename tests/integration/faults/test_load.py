"""More than the gateway takes on: it says so at once, serves known persons first, and lets the others in in order."""

import asyncio
from collections import Counter

from talaria.sandbox.faults import Faults
from tests.integration.faults.support_faults import Harness, Seen, harness
from tests.integration.faults.support_overload import offer
from tests.integration.faults.support_schedules import UPSTREAM
from tests.integration.faults.support_toxics import Toxic
from tests.support_waiting import until

LIMIT = {"server": {"max_in_flight": 10}}
HOLD = Toxic("hold")


async def under_way(running: Harness, person: str, count: int) -> "asyncio.Future[list[Seen]]":
    """So many requests of a known person, all of them waiting for the upstream."""
    arrived = running.sandbox.talaria_services.requests.count
    requests = asyncio.gather(*(running.get(person) for _ in range(count)))
    await running.sandbox.talaria_services.requests.wait_for(arrived + count, 15.0)
    return requests


async def all_have_come(running: Harness, requests: "list[asyncio.Task[Seen]]") -> None:
    """Each of them is under way in the gateway, or over."""

    async def they_have() -> bool:
        count = await running.metric("talaria_requests_in_flight")
        return count + sum(one.done() for one in requests) >= len(requests)

    await until(they_have)


async def test_above_the_limit_it_is_overloaded_at_once() -> None:
    async with harness(LIMIT) as running:
        (person,) = running.sandbox.add_persons(1)
        await running.get(person)
        await running.relays[UPSTREAM].poison("answer", HOLD)
        waiting = await under_way(running, person, 10)
        seen = await running.get(person)
        assert (seen.outcome, seen.retry_after) == ((503, "overloaded"), "1")
        assert not waiting.done()
        await running.relays[UPSTREAM].heal()
        assert {one.status for one in await waiting} == {200}
        assert (await running.get(person)).status == 200


async def test_known_persons_go_before_unknown_ones() -> None:
    async with harness(LIMIT) as running:
        known, *strangers = running.sandbox.add_persons(3)
        await running.get(known)
        await running.relays[UPSTREAM].poison("answer", HOLD)
        waiting = await under_way(running, known, 8)
        assert (await running.get(strangers[0])).outcome == (503, "overloaded")
        one_more = await under_way(running, known, 1)
        await running.relays[UPSTREAM].heal()
        assert {one.status for one in [*await waiting, *await one_more]} == {200}
        assert (await running.get(strangers[1])).status == 200


async def test_an_upstream_has_a_limit_of_its_own() -> None:
    async with harness({"upstreams": {"talaria-services": {"max_connections": 2}}}) as running:
        (person,) = running.sandbox.add_persons(1)
        await running.get(person)
        await running.relays[UPSTREAM].poison("answer", HOLD)
        requests = [asyncio.create_task(running.get(person)) for _ in range(16)]
        await until(
            lambda: sum(one.done() for one in requests) == 16 - 2 - 4 * 2
        )  # two under way, four in line for each
        assert (await running.get(person, tag="calm")).status == 200
        await running.relays[UPSTREAM].heal()
        outcomes = Counter((one.outcome, one.retry_after) for one in await asyncio.gather(*requests))
        assert outcomes == {((503, "overloaded"), "1"): 6, ((200, ""), ""): 10}


async def test_cold_starts_are_paced_in_order() -> None:
    async with harness({"personal": {"max_concurrent": 3}}) as running:
        known, *persons = running.sandbox.add_persons(16)
        assert (await running.get(known)).status == 200  # the keys are there: from now on the order stays
        running.sandbox.personal.requests.clear()
        running.sandbox.personal.faults = Faults(latency=1.0)
        requests: list[asyncio.Task[Seen]] = []
        for person in persons:
            requests.append(asyncio.create_task(running.get(person, **{"x-request-id": person})))
            await all_have_come(running, requests)
        running.sandbox.personal.faults = Faults(latency=0.05)
        assert {seen.status for seen in await asyncio.gather(*requests)} == {200}
        received = running.sandbox.personal.requests.all
        assert [one.header(b"x-request-id") for one in received] == [[person.encode()] for person in persons]
        moments = [(one.at, 1) for one in received] + [(one.answered_at, -1) for one in received]
        together = [sum(step for at, step in moments if at <= moment) for moment, _ in moments]
        assert max(together) == 3


async def test_a_request_leaves_the_line_at_its_deadline() -> None:
    async with harness({"personal": {"max_concurrent": 1}}) as running:
        first, second = running.sandbox.add_persons(2)
        await running.relays["personal"].poison("answer", HOLD)
        slow = asyncio.create_task(running.get(first))
        await running.sandbox.personal.requests.wait_for(1, 15.0)
        seen = await running.get(second, **{"x-request-timeout-ms": "200"})
        assert seen.outcome == (504, "deadline-exceeded")
        await running.relays["personal"].heal()
        assert (await slow).status == 200
        assert running.sandbox.personal.requests.count == 1


async def test_at_three_times_its_capacity_requests_are_served_or_refused() -> None:
    """How many of them, and how fast, is a measurement: the scorecard makes it."""
    over = await offer(times=3.0, seconds=1.0)
    assert over.goodput > 0
    assert over.refused > 0
    assert over.others == 0
