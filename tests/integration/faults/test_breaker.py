"""When a dependency fails it is called less, then not at all, then once; and one address of two is enough."""

import asyncio
import json
from collections.abc import Sequence
from itertools import islice

from talaria.sandbox.faults import Faults
from tests.integration.faults.support_faults import PATH, Harness, Seen, harness
from tests.integration.faults.support_relay import Relay, relay
from tests.integration.faults.support_toxics import Toxic

RIDES = "/v1/rides"
ONCE = {"personal": {"attempts": 1, "timeout": "30s"}, "routes": {"wind": {"timeout": "60s"}}}


async def in_turn(running: Harness, persons: Sequence[str]) -> list[Seen]:
    """One request of each, one after the other."""
    return [await running.get(person) for person in persons]


async def at_once(running: Harness, persons: Sequence[str]) -> list[Seen]:
    """One request of each, all at once."""
    return list(await asyncio.gather(*(running.get(person) for person in persons)))


async def probing(running: Harness, persons: Sequence[str]) -> list[Seen]:
    """One request of each, all at once: one of them, the probe, is answered once all the others were."""
    await running.relays["personal"].poison("answer", Toxic("hold"))
    asking = [asyncio.create_task(running.get(person)) for person in persons]
    for answered in islice(asyncio.as_completed(asking), len(persons) - 1):
        await answered
    await running.relays["personal"].heal()
    return list(await asyncio.gather(*asking))


async def test_an_open_breaker_does_not_call() -> None:
    async with harness(ONCE) as running:
        persons = running.sandbox.add_persons(40)
        running.sandbox.personal.faults = Faults(error_rate=1)
        failed = await in_turn(running, persons[:5])
        assert {seen.outcome for seen in failed} == {(503, "personal-overloaded")}
        refused = await in_turn(running, persons[5:])
        assert {seen.outcome for seen in refused} == {(503, "circuit-open")}
        assert {int(seen.retry_after) for seen in refused} <= set(range(1, 6))
        assert running.sandbox.personal.requests.count == 5


async def test_exactly_one_probe_however_many_wait() -> None:
    async with harness(ONCE) as running:
        persons = running.sandbox.add_persons(60)
        running.sandbox.personal.faults = Faults(error_rate=1)
        await in_turn(running, persons[:5])
        running.clock.move(5.0)
        seen = await probing(running, persons[5:25])
        assert sorted(one.reason for one in seen) == ["circuit-open"] * 19 + ["personal-overloaded"]
        running.clock.move(5.0)
        assert (await running.get(persons[25])).reason == "circuit-open"  # twice as long after a probe that failed
        running.clock.move(5.0)
        running.sandbox.personal.faults = Faults()
        seen = await probing(running, persons[26:46])
        assert sorted(one.status for one in seen) == [200] + [503] * 19
        assert running.sandbox.personal.requests.count == 7
        assert {one.status for one in await at_once(running, persons[46:])} == {200}


async def test_calls_stay_under_a_fifth_more_than_requests() -> None:
    async with harness() as running:
        running.sandbox.personal.faults = Faults(error_rate=1)
        persons = running.sandbox.add_persons(100)
        seen = await in_turn(running, persons[:50]) + await at_once(running, persons[50:])
        assert {one.status for one in seen} == {503}
        assert running.sandbox.personal.requests.count < 1.2 * len(seen)


async def test_the_trouble_of_one_partner_is_not_the_others() -> None:
    bolt = {"adapter": "wind", "user_id_header": "x-bolt-user-id", "api_key": {"file": "secrets/wind-api-key"}}
    async with relay() as beside:
        config = {
            "partners": {"wind": {"attempts": 1}, "bolt": {**bolt, "url": beside.url}},
            "routes": {"bolt": {"partner": "bolt", "upstream": "talaria-services"}},
        }
        async with harness(config) as running:
            beside.target = running.sandbox.wind.url
            persons = running.sandbox.add_persons(12)
            await running.relays["wind"].poison("request", Toxic("down"))
            assert {one.status for one in await in_turn(running, persons[:5])} == {502}
            assert (await running.get(persons[6])).reason == "circuit-open"
            assert {(await running.get(person, tag="bolt")).status for person in persons} == {200}


def two_urls(first: Relay, second: Relay) -> dict[str, object]:
    """Two addresses of the one talaria-services."""
    return {"upstreams": {"talaria-services": {"urls": [first.url, second.url]}}}


async def start_rides(running: Harness, person: str, count: int) -> list[int]:
    """So many POSTs, each of another scooter; their statuses."""
    headers = {**running.sandbox.headers(person), "content-type": "application/json"}
    url = running.sandbox.public_url + RIDES
    bodies = [json.dumps({"scooter_id": f"scooter-{number}"}).encode() for number in range(count)]
    answers = [await running.client.post(url, headers=headers, content=body) for body in bodies]
    return [answer.status_code for answer in answers]


def rides_received(running: Harness) -> list[bytes]:
    """The bodies of the POSTs that arrived."""
    return [received.body for received in running.sandbox.talaria_services.requests.all if received.method == "POST"]


HALF = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it"


async def test_bodies_that_always_break_open_the_circuit() -> None:
    async with harness() as running:
        (person,) = running.sandbox.add_persons(1)
        assert (await running.get(person)).status == 200
        running.sandbox.talaria_services.faults = Faults(error_rate=1, raw=HALF)
        await in_turn(running, [person] * 5)
        assert (await running.get(person)).outcome == (503, "circuit-open")
        assert running.sandbox.talaria_services.requests.count == 6


async def test_an_open_url_is_left_out_while_another_works() -> None:
    async with relay() as first, relay() as second, harness(two_urls(first, second)) as running:
        first.target = second.target = running.sandbox.talaria_services.url
        (person,) = running.sandbox.add_persons(1)
        await in_turn(running, [person] * 10)
        await first.poison("request", Toxic("down"))
        seen = await in_turn(running, [person] * 40)
        assert {one.status for one in seen} == {200}
        assert set(await start_rides(running, person, 20)) == {201}
        failures = {"dependency": "talaria-services", "outcome": "connect"}
        assert await running.metric("talaria_dependency_requests_total", **failures) <= 5
        assert len(rides_received(running)) == 20
        assert await running.metric("talaria_5xx_avoided_total", by="other-url") >= 4


async def test_no_post_is_sent_twice() -> None:
    async with relay() as first, relay() as second, harness(two_urls(first, second)) as running:
        first.target = second.target = running.sandbox.talaria_services.url
        (person,) = running.sandbox.add_persons(1)
        await in_turn(running, [person] * 4)
        await first.poison("answer", Toxic("reset"))  # it has arrived, and its answer is lost
        statuses = await start_rides(running, person, 30)
        received = rides_received(running)
        assert len(set(received)) == len(received) == 30
        assert statuses.count(502) <= 5
        assert set(statuses) == {201, 502}
        assert {(await running.ask("GET", PATH, running.sandbox.headers(person))).status for _ in range(10)} == {200}


async def test_kept_connections_that_the_upstream_resets_cost_no_get() -> None:
    async with harness() as running:
        (person,) = running.sandbox.add_persons(1)
        for _ in range(10):
            assert {one.status for one in await at_once(running, [person] * 5)} == {200}
            await running.relays["talaria-services"].drop()
        assert await running.metric("talaria_5xx_total") == 0
