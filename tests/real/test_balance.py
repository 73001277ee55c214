"""Three real gateways behind a balancer: each person has one of them, and one that ends costs nothing."""

import asyncio
import contextlib
import random
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from talaria.entrypoints.cli.affinity import affinity
from talaria.entrypoints.config import load
from tests.integration.gateway.support_client import connected, request
from tests.integration.gateway.support_gateway import Process, Town, opened, process_of
from tests.real.support_edges import BALANCERS, Edge, edge_of
from tests.real.support_running import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSONS = 400
CLIENTS = 8
LIMITED, LIMIT = "https://limited.example", 5
"""An issuer, and how many requests each of its persons may send at once."""
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


class Fleet:
    """Three gateways, each with caches of its own and at an address of its own, and their services."""

    def __init__(self, town: Town, gateways: list[Process], config: Path) -> None:
        self.town, self.gateways, self.config = town, gateways, config
        self._seen = [0] * len(gateways)

    async def new_lines(self, requests: int) -> list[list[dict[str, object]]]:
        """The access lines of each since the last time, once so many requests are told of."""
        async with asyncio.timeout(20.0):
            while sum(map(len, lines := self._new_lines())) < requests:
                await asyncio.sleep(0.05)
        self._seen = [seen + len(new) for seen, new in zip(self._seen, lines, strict=True)]
        return lines

    def _new_lines(self) -> list[list[dict[str, object]]]:
        return [gateway.lines()[seen:] for gateway, seen in zip(self.gateways, self._seen, strict=True)]


def replicas_of_persons(lines: list[list[dict[str, object]]]) -> dict[str, set[int]]:
    """Which of them served each person (a pseudonym)."""
    served: dict[str, set[int]] = defaultdict(set)
    for number, new in enumerate(lines):
        for line in new:
            served[str(line["person"])].add(number)
    return served


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BALANCERS)
async def balanced(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Fleet, Edge]]:
    """A fleet behind each balancer in turn."""
    port, ops_port, tmp_path = free_port(), free_port(), tmp_path_factory.mktemp(request.param)
    async with contextlib.AsyncExitStack() as stack:
        town = await stack.enter_async_context(opened(Town(tmp_path)))
        (tmp_path / "person_key").write_text("canary-person-key-0123456789abcdef")
        (tmp_path / "person_key").chmod(0o600)
        keys = f"{town.issuer.url}/jwks"
        limited = {"issuer": LIMITED, "jwks_url": keys, "person_rate_limit": f"{LIMIT}/h burst {LIMIT}"}
        gateways = []
        for number, host in enumerate(reversed(HOSTS)):
            server = {"listen": f"{host}:{port}", "ops_listen": f"{host}:{ops_port}"}
            changes: dict[str, Any] = {"server": server, "logging": {"person_key": {"file": "person_key"}}}
            changes |= {"callers": {"limited": limited}}
            config = town.configure(changes).rename(tmp_path / f"talaria-{number}.toml")
            gateways.append(await stack.enter_async_context(process_of(town, config)))
        fleet = Fleet(town, gateways, tmp_path / "talaria-2.toml")
        urls = [gateway.url for gateway in gateways]
        folder = tmp_path / "balancer"
        yield (
            fleet,
            await stack.enter_async_context(edge_of(request.param, fleet.config, folder, urls, "--mode", "balance")),
        )


async def ask_all(edge: Edge, tokens: list[str]) -> list[int]:
    """The status of a request with each of these tokens."""
    statuses: list[int] = []
    waiting = list(tokens)

    async def client() -> None:
        async with connected(edge.url) as raw:
            while waiting:
                got = await raw.ask(request(waiting.pop(), "/v1/a"))
                statuses.append(got.status)
                if got.head.all("connection") == ["close"]:
                    return await client()
        return None

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return statuses


async def test_the_limit_of_a_person_is_exact(balanced: tuple[Fleet, Edge]) -> None:
    fleet, edge = balanced
    persons = [fleet.town.person() for _ in range(20)]
    tokens = [fleet.town.token(person, iss=LIMITED, jti=str(turn)) for person in persons for turn in range(3 * LIMIT)]
    random.Random(7).shuffle(tokens)
    statuses = Counter(await ask_all(edge, tokens))
    assert statuses == {200: len(persons) * LIMIT, 429: len(persons) * LIMIT * 2}
    lines = [line for new in await fleet.new_lines(len(tokens)) for line in new]
    assert set(Counter(line["person"] for line in lines if line["status"] == 200).values()) == {LIMIT}


async def test_doctor_sees_that_persons_stay_where_they_are(balanced: tuple[Fleet, Edge]) -> None:
    fleet, edge = balanced
    instances = [gateway.ops for gateway in fleet.gateways]
    found = await asyncio.to_thread(affinity, load(fleet.config), edge.url, instances)
    assert (found.well, found.what.startswith("the balancer keeps each person at one of ")) == (True, True), found
    await fleet.new_lines(16)


async def test_a_person_has_one_replica_and_one_that_ends_costs_nothing(balanced: tuple[Fleet, Edge]) -> None:
    fleet, edge = balanced
    persons = [fleet.town.person() for _ in range(PERSONS)]
    shuffled = random.Random(7)
    first, second = ([fleet.town.token(person, jti=str(turn)) for person in persons] for turn in range(2))

    # Two requests with each of two tokens, as before and after a refresh: one exchange for each person.
    tokens = [*first, *first, *second, *second]
    shuffled.shuffle(tokens)
    assert await ask_all(edge, tokens) == [200] * len(tokens)
    told = await fleet.new_lines(len(tokens))
    before = replicas_of_persons(told)
    assert (len(before), {len(replicas) for replicas in before.values()}) == (PERSONS, {1})
    lines = [line for new in told for line in new]
    assert len(lines) == len(tokens)
    assert Counter(line["person"] for line in lines if line["exchange"] == "miss") == dict.fromkeys(before, 1)
    shares = [sum(number in replicas for replicas in before.values()) for number in range(3)]
    assert min(shares) > PERSONS / 6, shares

    # One of three ends under load: nothing is lost.
    tokens = [token for _ in range(10) for token in first]
    shuffled.shuffle(tokens)
    load = asyncio.create_task(ask_all(edge, tokens))
    await asyncio.sleep(0.5)  # in the middle of it
    fleet.gateways[0].process.send_signal(signal.SIGTERM)
    statuses = await load
    assert statuses == [200] * 4000
    assert await fleet.gateways[0].ended() == 0

    # A person stays with a replica that is still there.
    await fleet.new_lines(4000)
    assert await ask_all(edge, first) == [200] * PERSONS
    after = replicas_of_persons(await fleet.new_lines(PERSONS))
    stayed = {person for person, replicas in before.items() if 0 not in replicas}
    moved = [person for person in stayed if after[person] != before[person]]
    assert len(moved) <= len(stayed) * 0.005, len(moved)
