"""What a bad token costs: no call, but for one for the key set in 30 s, and 10 ms of the gateway's CPU at most."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest

from tests.integration.attacks.support_cases import load
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.attacks.support_hostile_tokens import Forge, callers_of, prepare, request_with
from tests.integration.gateway.support_client import ask, request
from tests.integration.gateway.support_gateway import Process
from tests.support_late import again_if_late, within

AT_MOST = 0.010
TIMES = 10
FLOOD, AT_ONCE = 500, 50


@pytest.fixture
async def field(tmp_path: Path) -> AsyncIterator[Field]:
    async with field_in(prepare(tmp_path), lambda town: {"callers": callers_of(town)}) as running:
        assert (await running.gateway.ask()).status == 200
        yield running


def cpu_of(gateway: Process) -> float:
    """Seconds of CPU that all of this process has had so far: its clock, as clock_getcpuclockid(3) makes it."""
    return time.clock_gettime(~gateway.process.pid << 3 | 2)


async def test_no_bad_token_costs_more_than_its_time(field: Field) -> None:
    """From the connection to the answer and its access line, and whatever the gateway does besides."""
    forge = Forge(field.town)
    bad = {case.name: request_with(forge.forged(case)[0], case) for case in load("tokens") if case.expect != ("200",)}
    assert len(bad) > 200
    for data in bad.values():
        assert (await ask(field.gateway.url, data)).status >= 400

        async def measure(data: bytes = data) -> None:
            before = cpu_of(field.gateway)
            for _ in range(TIMES):
                await ask(field.gateway.url, data)
            within(AT_MOST, (cpu_of(field.gateway) - before) / TIMES)

        await again_if_late(measure)


async def test_a_flood_of_unknown_keys_is_one_question(field: Field) -> None:
    town, url = field.town, field.gateway.url
    claims = town.claims(town.person())
    tokens = [jwt.encode(claims, town.caller_key, "ES256", headers={"kid": f"k{number}"}) for number in range(FLOOD)]
    asked = [service.calls for service in town.services]
    got = []
    for at in range(0, FLOOD, AT_ONCE):
        got += await asyncio.gather(*(ask(url, request(token)) for token in tokens[at : at + AT_ONCE]))
    assert {answer.json()["reason"] for answer in got} == {"invalid-token"}
    more = [service.calls - calls for service, calls in zip(town.services, asked, strict=True)]
    assert more == [service is town.issuer for service in town.services]
