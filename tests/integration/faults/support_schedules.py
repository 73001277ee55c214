"""The fault schedules of the scorecard: what the dependencies do wrong, and what of it reaches the clients.

The tests run them with small counts and hold their bounds; `tests/soak/scorecard.py` runs them with large ones. Chance
is seeded; only when what happens is the machine's affair.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from talaria.sandbox.faults import Faults
from tests.integration.faults.support_faults import Harness, Seen, harness, hop_timeout
from tests.integration.faults.support_relay import relay
from tests.integration.faults.support_toxics import Toxic

UPSTREAM = "talaria-services"
CLIENTS = 16
PAST_MAX_AGE = 1000.0
GRACE = 2.0
"""Seconds that it may take until an address that is down is left out."""

RIDES = "/v1/rides"


@dataclass(frozen=True, slots=True)
class Score:
    """What came of a schedule: `calls` and `faulty` at the dependency, `seen` by the clients.

    `late`: what was seen after the grace. `twice`: POSTs that arrived more than once.
    """

    seen: list[Seen]
    calls: float
    faulty: float
    late: list[Seen] = field(default_factory=list)
    twice: int = 0

    @property
    def failed(self) -> list[Seen]:
        """Answers of 500 and above, and those that never came."""
        return failures(self.seen)

    @property
    def calls_each(self) -> float:
        """Calls to the dependency for each request."""
        return self.calls / len(self.seen)

    @property
    def p99(self) -> float:
        """Seconds."""
        return sorted(one.seconds for one in self.seen)[int(0.99 * (len(self.seen) - 1))]


def failures(seen: Iterable[Seen]) -> list[Seen]:
    """Answers of 500 and above, and those that never came."""
    return [one for one in seen if one.status >= 500 or one.status == 0]


async def crowd(running: Harness, persons: Iterable[str], clients: int = CLIENTS) -> list[Seen]:
    """One request of each, by so many clients that each wait for their answer."""
    waiting = iter(persons)

    async def client() -> list[Seen]:
        return [await running.get(person) for person in waiting]

    return [one for seen in await asyncio.gather(*(client() for _ in range(clients))) for one in seen]


class _Counted:
    """The calls to one dependency since this was made, as the gateway's metrics say."""

    def __init__(self, running: Harness, dependency: str) -> None:
        self._running, self._dependency = running, dependency
        self._before = (0.0, 0.0)

    async def _now(self) -> tuple[float, float]:
        name, dependency = "talaria_dependency_requests_total", self._dependency
        calls = await self._running.metric(name, dependency=dependency)
        return calls, calls - await self._running.metric(name, dependency=dependency, outcome="ok")

    async def begin(self) -> None:
        """From here on."""
        self._before = await self._now()

    async def score(self, seen: list[Seen], late: Iterable[Seen] = (), twice: int = 0) -> Score:
        """What was counted, beside what was seen."""
        calls, faulty = await self._now()
        return Score(seen, calls - self._before[0], faulty - self._before[1], list(late), twice)


@asynccontextmanager
async def _counting(
    dependency: str, config: Mapping[str, Any] | None = None
) -> AsyncIterator[tuple[Harness, _Counted]]:
    async with harness(config) as running:
        yield running, _Counted(running, dependency)


async def cold_while_personal_fails(persons: int, attempts: int, before: int = 0, share: float = 0.3) -> Score:
    """personal answers this share of its calls with 503, at random; each request is of another, unknown person.

    `before`: so many came while nothing failed. The first fifty of a process share ten retries, whatever the chance is.
    """
    async with _counting("personal", {"personal": {"attempts": attempts}}) as (running, counted):
        assert not failures(await crowd(running, running.sandbox.add_persons(before)))
        await counted.begin()
        running.sandbox.personal.faults = Faults(error_rate=share)
        return await counted.score(await crowd(running, running.sandbox.add_persons(persons)))


async def warm_while_it_fails(
    dependency: Literal["personal", "wind"], kind: Literal["down", "timeout"], persons: int, rounds: int
) -> Score:
    """The dependency is down, or takes calls and never answers (`timeout`); every kept pair is past its age."""
    async with _counting(dependency, hop_timeout(dependency, "1s")) as (running, counted):
        known = running.sandbox.add_persons(persons)
        assert not failures(await crowd(running, known))
        running.clock.move(PAST_MAX_AGE)
        await running.relays[dependency].poison("request", Toxic(kind))
        await counted.begin()
        return await counted.score(await crowd(running, known * rounds))


async def one_url_down(seconds: float) -> Score:
    """One of two addresses of the upstream is down from the beginning on: GETs, and POSTs beside them."""
    async with relay() as first, relay() as second:
        config = {"upstreams": {UPSTREAM: {"urls": [first.url, second.url]}}}
        async with _counting(UPSTREAM, config) as (running, counted):
            first.target = second.target = running.sandbox.talaria_services.url
            (person,) = running.sandbox.add_persons(1)
            assert not failures(await crowd(running, [person] * CLIENTS))
            await first.poison("request", Toxic("down"))
            await counted.begin()
            seen, late = await _gets_and_posts(running, person, seconds)
            return await counted.score(seen, late, _twice(running))


async def _gets_and_posts(running: Harness, person: str, seconds: float) -> tuple[list[Seen], list[Seen]]:
    loop = asyncio.get_running_loop()
    began, number = loop.time(), 0
    seen: list[Seen] = []
    late: list[Seen] = []

    async def client() -> None:
        nonlocal number
        while loop.time() < began + seconds:
            at, number = loop.time(), number + 1
            if number % 4 == 0:
                seen.append(await post(running, person, number))
                continue
            seen.append(await running.get(person))
            if at > began + min(GRACE, seconds / 2):
                late.append(seen[-1])

    await asyncio.gather(*(client() for _ in range(CLIENTS // 2)))
    return seen, late


async def post(running: Harness, person: str, number: int) -> Seen:
    """A POST that is told apart from every other by its body."""
    body = json.dumps({"scooter_id": f"scooter-{number}"}).encode()
    headers = {**running.sandbox.headers(person), "content-type": "application/json"}
    return await running.ask("POST", RIDES, headers, body)


def _twice(running: Harness) -> int:
    bodies = [one.body for one in running.sandbox.talaria_services.requests.all if one.method == "POST"]
    return len(bodies) - len(set(bodies))


async def closing_connections(requests: int, politely: bool, kept: bool = False, every: float = 0.05) -> Score:
    """The upstream closes (or resets) one of its connections after the other, at random, whatever they are doing.

    `kept`: none in its first use, which is all that a GET's second try can make good.
    """
    async with _counting(UPSTREAM) as (running, counted):
        (person,) = running.sandbox.add_persons(1)
        assert not failures(await crowd(running, [person] * CLIENTS))
        await counted.begin()
        closing = asyncio.create_task(_close_at_random(running, politely, kept, every))
        try:
            seen = await crowd(running, [person] * requests)
        finally:
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
        return await counted.score(seen)


async def _close_at_random(running: Harness, politely: bool, kept: bool, every: float) -> None:
    chance = random.Random(1)
    while True:
        await running.relays[UPSTREAM].drop_one(chance, politely=politely, kept=kept)
        await asyncio.sleep(chance.uniform(0.0, 2 * every))  # the pace of the trouble


async def hanging(requests: int, timeout: float) -> Score:
    """personal takes calls and never answers; `requests` stay below the failures that open its circuit."""
    config = {"personal": {"attempts": 1, "timeout": f"{round(timeout * 1000)}ms"}}
    async with _counting("personal", config) as (running, counted):
        await running.relays["personal"].poison("request", Toxic("timeout"))
        return await counted.score(await crowd(running, running.sandbox.add_persons(requests), clients=1))


async def open_circuit(requests: int) -> Score:
    """personal fails until its circuit opens; then each request of an unknown person is refused without a call."""
    async with _counting("personal", {"personal": {"attempts": 1}}) as (running, counted):
        running.sandbox.personal.faults = Faults(error_rate=1)
        await crowd(running, running.sandbox.add_persons(5), clients=1)
        await counted.begin()
        return await counted.score(await crowd(running, running.sandbox.add_persons(requests), clients=1))


async def cold_start(persons: int, clients: int) -> Score:
    """No person is known, nothing fails, and all come at once: the exchanges are paced.

    The hops have time: clients, gateway and dependencies are one process, which is busy with the clients most of all.
    """
    async with _counting("personal") as (running, counted):
        return await counted.score(await crowd(running, running.sandbox.add_persons(persons), clients))
