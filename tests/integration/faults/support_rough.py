"""Rough weather: random toxics of a fixed seed at every dependency, under clients that know what they should get.

Rules of the books: what the clients saw and what the gateway counted is the same, line by line.

1. Each answer names its own person's user, or is a refusal of the closed list.
2. Status 0 is an answer that was cut off after its head: the gateway counts 200 with the reason of the cut.
3. A client that leaves does so while its request hangs at an upstream that never answers: as many are counted as 499.
"""

import asyncio
import random
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from talaria.sandbox.faults import Faults
from talaria.sandbox.folder import secret_setting
from tests.integration.faults.support_faults import DEPENDENCIES, PATH, Harness, Seen, harness
from tests.integration.faults.support_relay import Relay, relay
from tests.integration.faults.support_toxics import EIGHT, Direction, Toxic
from tests.support_waiting import until

CLIENTS, PERSONS, LEAVERS = 12, 200, 2
DIRECTIONS: tuple[Direction, ...] = ("request", "answer")
JUMP = 60.0
FAULTY = Faults(error_rate=0.3)
HELD = "held"
CONFIG: dict[str, Any] = {
    "personal": {"timeout": "300ms"},
    "partners": {"wind": {"timeout": "300ms"}},
    "identities": {"max_age": "90s", "stale_if_error": "90s"},
    "callers": {HELD: {"api_key": [secret_setting("wind-api-key")]}},
    "routes": {
        "wind": {"timeout": "800ms", "idle_timeout": "1s"},
        HELD: {"identity": "none", "upstream": HELD, "timeout": "60s"},
    },
}

Line = tuple[str, int, str]
"""tag, status, reason."""


@dataclass
class Books:
    """What the clients saw. `failed`: the last 5xx; `wrong`: answers that were not their own person's."""

    lines: Counter[Line] = field(default_factory=Counter)
    failed: deque[Seen] = field(default_factory=lambda: deque(maxlen=900))
    wrong: list[Seen] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """All of them."""
        return self.lines.total()

    def failures(self) -> Counter[str]:
        """Answers of 500 and above, by reason."""
        failures: Counter[str] = Counter()
        for (_, status, reason), count in self.lines.items():
            if status >= 500:
                failures[reason] += count
        return failures

    def enter(self, seen: Seen, user_id: str) -> None:
        """One answer to the person with this user id."""
        self.lines[("wind", seen.status, seen.reason)] += 1
        if seen.status >= 500:
            self.failed.append(seen)
        elif seen.status == 200 and seen.user_id != user_id:
            self.wrong.append(seen)


@dataclass
class Weather:
    """A sandbox in rough weather; `books` are kept over all spells."""

    running: Harness
    held: Relay
    chance: random.Random
    books: Books = field(default_factory=Books)
    persons: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    async def spell(self, seconds: float, progress: Callable[[float], None] = lambda _: None) -> None:
        """So many seconds of it. Afterwards all is healed and quiet, and nothing is under way."""
        over = asyncio.Event()
        async with httpx.AsyncClient(trust_env=False, timeout=20, limits=httpx.Limits(max_connections=None)) as client:
            self.running.client, before = client, self.running.client
            crowd = [asyncio.create_task(self._client(number, over)) for number in range(CLIENTS)]
            crowd += [asyncio.create_task(self._leaver(over)) for _ in range(LEAVERS)]
            await self._blow(seconds, progress)
            over.set()
            await asyncio.gather(*crowd)
            self.running.client = before
        await self._calm()

    async def _blow(self, seconds: float, progress: Callable[[float], None]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (gone := loop.time() - began) < seconds:
            progress(gone)
            heal = await self._something_fails()
            await asyncio.sleep(self.chance.uniform(0.1, 0.8))  # how long it fails
            await heal()
            if self.chance.random() < 0.7:
                self.running.clock.move(JUMP)  # breakers would else be open for most of the time
            await asyncio.sleep(self.chance.uniform(0.2, 0.8))  # how long it does not

    async def _something_fails(self) -> Callable[[], Any]:
        name = self.chance.choice(DEPENDENCIES)
        service = dict(zip(DEPENDENCIES, self.running.sandbox.services, strict=True))[name]
        if self.chance.random() < 0.2:
            service.faults = FAULTY

            async def mend() -> None:
                service.faults = Faults()

            return mend
        await self.running.relays[name].poison(self.chance.choice(DIRECTIONS), self.chance.choice(EIGHT))
        return self.running.relays[name].heal

    async def _calm(self) -> None:
        for one in self.running.relays.values():
            await one.drop()
        await self.held.drop()
        gateway = self.running.sandbox.running
        assert gateway is not None
        await until(self._is_quiet, seconds=30)
        for service in self.running.sandbox.services:
            service.requests.clear()

    async def _is_quiet(self) -> bool:
        return await self.running.metric("talaria_requests_in_flight") == 0 and not any(r.open for r in self._relays())

    def _relays(self) -> list[Relay]:
        return [*self.running.relays.values(), self.held]

    async def _client(self, number: int, over: asyncio.Event) -> None:
        chance = random.Random(number)
        sandbox, persons = self.running.sandbox, sorted(self.persons)
        while not over.is_set():
            person = chance.choice(persons)
            seen = await self.running.ask("GET", PATH, self.persons[person])
            self.books.enter(seen, sandbox.wind.users.get(sandbox.personal.phones[person], ""))
            await asyncio.sleep(0.02)  # the rate of the load

    async def _leaver(self, over: asyncio.Event) -> None:
        """Leaves while the request hangs, again and again."""
        url = urlsplit(self.running.sandbox.public_url)
        key = self.running.sandbox.wind.api_key
        request = f"GET / HTTP/1.1\r\nhost: a\r\nx-api-tag: {HELD}\r\nx-api-key: {key}\r\n\r\n"
        while not over.is_set():
            arrived = self.held.swallowed
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(request.encode())
            async with asyncio.timeout(15):
                while self.held.swallowed == arrived:
                    await asyncio.sleep(0.01)
            writer.close()
            self.books.lines[(HELD, 499, "client-gone")] += 1
            await asyncio.sleep(0.04)  # the rate of the leaving

    async def counted(self) -> Counter[Line]:
        """The gateway's own lines, in the clients' words."""
        counted: Counter[Line] = Counter()
        for labels, count in await self._samples("talaria_requests_total"):
            status, reason = int(labels["status"]), labels["reason"]
            cut = status == 200 and reason != ""
            if labels["tag"] != "other":  # the services fetch our key set
                counted[(labels["tag"], 0 if cut else status, "" if cut else reason)] += count
        return counted

    async def failures_counted(self) -> Counter[tuple[str, str]]:
        """`talaria_5xx_total` by origin and reason."""
        counted: Counter[tuple[str, str]] = Counter()
        for labels, count in await self._samples("talaria_5xx_total"):
            counted[(labels["origin"], labels["reason"])] += count
        return counted

    async def failure_log(self) -> dict[str, tuple[int, str]]:
        """Status and reason of what the failure log has, by request id."""
        entries = (await self.running.ops("/5xx?last=1000")).json()["entries"]
        return {entry["request_id"]: (entry["status"], entry["reason"]) for entry in entries}

    async def _samples(self, name: str) -> list[tuple[dict[str, str], int]]:
        lines = (await self.running.ops("/metrics")).text.splitlines()
        samples = [line.rpartition(" ") for line in lines if line.startswith(name + "{")]
        return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), int(float(count))) for labels, _, count in samples]


async def check_books(weather: Weather) -> list[str]:
    """What does not agree, in words: nothing, it is to be hoped."""
    books = weather.books
    wrong = [f"{len(books.wrong)} answers were not their own person's"] if books.wrong else []
    counted = await weather.counted()
    wrong += [
        f"{line}: {books.lines[line]} seen, {counted[line]} counted"
        for line in sorted({*books.lines, *counted})
        if books.lines[line] != counted[line]
    ]
    failed, seen = await weather.failures_counted(), books.failures()
    by_reason = Counter({reason: sum(n for (_, r), n in failed.items() if r == reason) for _, reason in failed})
    wrong += [f"5xx by reason: {dict(seen)} seen, {dict(by_reason)} counted"] if seen != by_reason else []
    wrong += [f"{reason!r} is put down to {origin}" for origin, reason in failed if not belongs(origin, reason)]
    log = await weather.failure_log()
    # The refusals of an open circuit are counted, which was asserted above, and do not fill the log.
    lost = [one for one in books.failed if one.reason != "circuit-open" and log.get(one.request_id) != one.outcome]
    wrong += [f"{one.request_id} is not in the failure log" for one in lost]
    return wrong


_ORIGINS = {
    "": "upstream",
    "overloaded": "gateway",
    "draining": "gateway",
    "internal-error": "gateway",
    "decision-failed": "gateway",
    "keys-unavailable": "caller-keys",
    "deadline-exceeded": "client",
    "method-not-implemented": "client",
}
"""Of the reasons that do not begin with their origin."""


def belongs(origin: str, reason: str) -> bool:
    """Does this reason belong to this origin?"""
    if reason == "circuit-open":
        return origin in ("personal", "partner", "upstream")
    return origin == _ORIGINS.get(reason, reason.partition("-")[0])


@asynccontextmanager
async def rough_weather(seed: int = 1) -> AsyncIterator[Weather]:
    """A sandbox that is ready for it; none of its persons is known yet."""
    async with relay() as held:
        upstream = {
            "urls": [held.url],
            "audience": "talaria-services",
            "api_key": secret_setting("talaria-services-api-key"),
        }
        async with harness({**CONFIG, "upstreams": {HELD: upstream}}) as running:
            held.target = running.sandbox.talaria_services.url
            await held.poison("request", Toxic("timeout"))
            weather = Weather(running, held, random.Random(seed))
            for person in running.sandbox.add_persons(PERSONS):
                weather.persons[person] = running.sandbox.headers(person)
            yield weather
