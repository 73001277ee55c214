"""Every way in which a network fails, at each dependency, in both directions: what the client gets is in the tables.

A cell: two requests meet the toxic while another person's requests go on steadily beside them. Each of the two ends as
its table says; the requests beside them do not notice; once the network is well again a new request succeeds. What only
a time ends does so within the time of the hop that fails and a second, and is mended within 2 s; of the others a busy
machine would measure nothing but itself: that they end before any time is over is in their outcome.

A cell makes four failing calls at most, one fewer than open a breaker: a breaker that has opened does not try for 5 s,
so "within 2 s" can only be said of those that stay closed. What opens and how it closes again is in test_breaker.py.
"""

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.integration.faults.support_faults import CALM, Harness, Seen, harness, steady_load
from tests.integration.faults.support_toxics import EIGHT, Direction, Toxic
from tests.support_late import again_if_late, within
from tests.support_waiting import until

HOP, ROUTE = 0.6, 1.0  # a retry comes up to 0.25 s after the failure, and has to have time left
SLACK, RECOVERY = 1.0, 2.0  # less than a toxic's latency; how much is exceeded is measured by the scorecard
ENDED_BY_TIME = ("latency", "bandwidth", "timeout")


def config(toxic: Toxic) -> dict[str, Any]:
    """Short times for what only a time ends, else long ones: a busy machine makes no timeout of a reset."""
    hop, route = ("600ms", "1s") if toxic.kind in ENDED_BY_TIME else ("30s", "60s")
    return {
        "callers": {"app": {"jwks_timeout": route}},
        "personal": {"timeout": hop, "attempts": 2},
        "partners": {"wind": {"timeout": hop, "attempts": 2}},
        "upstreams": {"talaria-services": {"connect_timeout": route}},
        "routes": {"wind": {"timeout": route}},
    }


FINE = (200, "")
PERSONAL = {
    "latency": (504, "personal-timeout"),
    "jitter": FINE,
    "down": (502, "personal-unreachable"),
    "bandwidth": (504, "personal-timeout"),
    "slow-close": FINE,
    "timeout": (504, "personal-timeout"),
    "reset": (502, "personal-unreachable"),
    "slicer": FINE,
    "cut": (502, "personal-unreachable"),
}
WIND = {kind: (status, reason.replace("personal", "partner")) for kind, (status, reason) in PERSONAL.items()}
UPSTREAM = {kind: (status, reason.replace("personal", "upstream")) for kind, (status, reason) in PERSONAL.items()}
ISSUER = {kind: FINE if outcome == FINE else (503, "keys-unavailable") for kind, outcome in PERSONAL.items()}

TABLES = {
    "personal": (PERSONAL, HOP),
    "wind": (WIND, HOP),
    "talaria-services": (UPSTREAM, ROUTE),
    "issuer": (ISSUER, ROUTE),
}
"""By dependency: the outcome by toxic, the same in both directions, and the time that bounds it."""


async def meet(cell: Harness, dependency: str, persons: list[str]) -> list[Seen]:
    """Two requests that need the dependency: of one known person, or of two unknown ones."""
    asking = [persons[0]] * 2 if dependency == "talaria-services" else persons[1:3]
    return list(await asyncio.gather(*(cell.get(person) for person in asking)))


async def recover(cell: Harness, dependency: str, persons: list[str]) -> float:
    """Seconds until a request that needs the dependency succeeds."""
    began = time.perf_counter()
    strangers = itertools.cycle(persons[3:])

    async def one_succeeds() -> bool:
        seen = await cell.get(persons[0] if dependency == "talaria-services" else next(strangers))
        return seen.status == 200

    await until(one_succeeds)
    return time.perf_counter() - began


@pytest.mark.parametrize("toxic", EIGHT, ids=lambda toxic: toxic.kind)
@pytest.mark.parametrize("dependency", TABLES)
async def test_both_directions(dependency: str, toxic: Toxic) -> None:
    async def check_both() -> None:
        async with asyncio.TaskGroup() as group:  # each with a gateway of its own
            group.create_task(check(dependency, toxic, "request"))
            group.create_task(check(dependency, toxic, "answer"))

    await again_if_late(check_both)


async def check(dependency: str, toxic: Toxic, direction: Direction) -> None:
    """One cell, from the start of the gateway to the recovery."""
    outcomes, bound = TABLES[dependency]
    async with AsyncExitStack() as stack:
        cell = await stack.enter_async_context(harness(config(toxic)))
        persons = cell.sandbox.add_persons(60)
        calm: list[Seen] = []
        if dependency != "issuer":  # its keys are fetched once: a cell needs a gateway that has none yet
            await recover(cell, "talaria-services", persons)  # the cell's time may be too little for its first exchange
            calm = await stack.enter_async_context(steady_load(cell, persons[0], CALM))
        await cell.relays[dependency].poison(direction, toxic)
        seen = await meet(cell, dependency, persons)
        await cell.relays[dependency].heal()
        assert [one.outcome for one in seen] == [outcomes[toxic.kind]] * 2
        recovered = await recover(cell, dependency, persons)
        assert {one.outcome for one in calm} <= {FINE}
        if toxic.kind in ENDED_BY_TIME:
            within(bound + SLACK, max(one.seconds for one in seen))
            within(RECOVERY, recovered)
