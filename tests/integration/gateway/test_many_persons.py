"""Many persons at once: each answer is its own person's, and one person's cold crowd is one exchange."""

import asyncio
import random

from tests.integration.gateway.support_client import connected, request
from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in, process_of
from tests.integration.gateway.support_raw import Head, Line
from tests.integration.gateway.support_services import Fault
from tests.support_waiting import until

PERSONS, REQUESTS, CONNECTIONS = 64, 8_000, 16
CROWD = 1_000


async def test_each_answer_is_its_own_persons(town: Town) -> None:
    user_ids = [f"user-of-{number}" for number in range(PERSONS)]
    tokens = [town.token(town.person(user_id)) for user_id in user_ids]
    wrong: list[tuple[int, bytes]] = []

    async def talk(url: str, chance: random.Random) -> None:
        async with connected(url) as client:
            for _ in range(REQUESTS // CONNECTIONS):
                number = chance.randrange(PERSONS)
                got = await client.ask(request(tokens[number]))
                if (got.status, got.body) != (200, user_ids[number].encode()):
                    wrong.append((got.status, got.body))

    async with process_of(town, town.configure({"identities": {"max_entries": PERSONS - 8}})) as gateway:
        await asyncio.gather(*(talk(gateway.url, random.Random(seed)) for seed in range(CONNECTIONS)))
    assert wrong == []
    assert len(town.upstream.seen) == REQUESTS


async def test_a_cold_crowd_of_one_person_is_one_exchange(town: Town) -> None:
    data = request(town.token(town.person("the-one")))
    town.personal.gate.clear()
    async with gateway_in(town) as gateway:

        async def come() -> tuple[int, bytes]:
            async with gateway.connected() as client:
                client.send(data)
                got = await client.get()
                return got.status, got.body

        crowd = [asyncio.create_task(come()) for _ in range(CROWD)]

        async def all_are_under_way() -> bool:
            return await in_flight(gateway) == CROWD

        await until(all_are_under_way, seconds=60)
        town.personal.gate.set()
        assert set(await asyncio.gather(*crowd)) == {(200, b"the-one")}
    assert (town.personal.calls, town.wind.calls) == (1, 1)


async def in_flight(gateway: Gateway) -> float:
    """The operators' gauge."""
    lines = (await gateway.operators("/metrics")).body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("talaria_requests_in_flight "))


async def test_a_cold_crowd_of_one_person_is_one_exchange_though_some_leave(town: Town) -> None:
    data = request(town.token(town.person("the-one")))
    town.wind.gate.clear()
    town.wind.faults = [_waits(town)]
    async with gateway_in(town) as gateway:

        async def come(number: int) -> bytes | None:
            async with gateway.connected() as client:
                client.send(data)
                if number % 3 == 0:
                    return None  # leaves at once
                return (await client.get()).body

        crowd = [asyncio.create_task(come(number)) for number in range(CROWD)]

        def a_third_has_left() -> bool:
            return town.wind.calls > 0 and sum(task.done() for task in crowd) >= CROWD // 3

        await until(a_third_has_left, seconds=60)
        town.wind.gate.set()
        bodies = await asyncio.gather(*crowd)
    assert [body for body in bodies if body is not None] == [b"the-one"] * (CROWD - (CROWD + 2) // 3)
    assert (town.personal.calls, town.wind.calls) == (1, 1)


def _waits(town: Town) -> Fault:
    async def wait(head: Head, line: Line) -> None:
        await town.wind.gate.wait()
        await town.wind.respond(head, line)

    return wait
