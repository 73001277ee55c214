"""An adapter on trial in a whole gateway: nothing waits for a shadow, and a canary always has the same persons."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from talaria.domain.exchange import draw_of
from talaria.domain.model import PersonalPhoneId
from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import Sandbox, running_sandbox
from talaria.sandbox.wind import SimulatedWind
from talaria.testing.printed import personal_in
from talaria.testing.simulator import running
from tests.support_plugins import install

WIND_V2 = """
from talaria.adapters.partners import wind

class Accounts(wind.Accounts):
    side_effect_free = True
"""
ASKED = "talaria_dependency_requests_total"


@pytest.fixture(autouse=True)
def wind_v2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """wind's adapter once more, from outside."""
    install(tmp_path, monkeypatch, "wind_v2", WIND_V2, module=f"wind_v2_{tmp_path.name}")


@asynccontextmanager
async def trial(
    role: str, share: float, timeout: str = "10s"
) -> AsyncIterator[tuple[Sandbox, SimulatedWind, httpx.AsyncClient]]:
    """The sandbox with the new adapter on trial, the service that it asks, and a client."""
    new = SimulatedWind("")
    async with running(new):
        table = {"adapter": "wind_v2", "share": share, "url": new.url}
        changes: dict[str, Any] = {"partners": {"wind": {role: table, "timeout": timeout, "attempts": 1}}}
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            async with (
                running_sandbox(config=changes, access_descriptor=nowhere) as sandbox,
                httpx.AsyncClient(trust_env=False) as client,
            ):
                new.api_key = sandbox.wind.api_key
                yield sandbox, new, client
        finally:
            os.close(nowhere)


async def ask(sandbox: Sandbox, client: httpx.AsyncClient, person: str) -> tuple[int, str]:
    """The status, and the user id that the upstream was told."""
    headers = sandbox.headers(person)
    answer = await client.get(f"{sandbox.public_url}/v1/scooters/nearby", headers=headers)
    return answer.status_code, answer.json().get("user_id", "")


async def counted(sandbox: Sandbox, client: httpx.AsyncClient, line: str, value: float) -> None:
    """Until the metrics say so."""
    text = ""
    for _ in range(200):
        text = (await client.get(f"{sandbox.ops_url}/metrics")).text
        if f"{line} {value}" in text:
            return
        await asyncio.sleep(0.02)
    raise AssertionError([one for one in text.splitlines() if one.startswith((line.partition("{")[0], ASKED))])


def shadow(result: str) -> str:
    return f'talaria_shadow_total{{adapter="wind_v2",partner="wind",result="{result}"}}'


@pytest.mark.parametrize("result", ["same", "other", "unknown", "failed"])
async def test_a_shadow_is_compared_in_a_metric_and_a_line(result: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with trial("shadow", 1.0) as (sandbox, new, client):
        (person,) = sandbox.add_persons(1)
        phone = sandbox.personal.phones[person]
        new.users[phone] = "another" if result == "other" else sandbox.wind.users.setdefault(phone, "wind-user")
        if result == "unknown":
            new.without_account.add(phone)
        if result == "failed":
            new.faults = Faults(error_rate=1)
        for _ in range(3):  # the second and the third are hits
            assert await ask(sandbox, client, person) == (200, sandbox.wind.users[phone])
        await counted(sandbox, client, shadow(result), 1.0)
        outcome = {"unknown": "404", "failed": "503"}.get(result, "ok")
        await counted(sandbox, client, f'{ASKED}{{dependency="wind.shadow",outcome="{outcome}"}}', 1.0)
        assert new.requests.count == 1
    (line,) = [record for record in caplog.records if record.getMessage() == "a shadow adapter was compared"]
    said = [getattr(line, name) for name in ("partner", "adapter", "result", "person", "request_id")]
    assert (said[:3], len(said[3])) == (["wind", "wind_v2", result], 12)
    assert personal_in(f"{said} {caplog.text}") == []


async def test_nothing_waits_for_a_shadow_and_its_breaker_is_its_own() -> None:
    async with trial("shadow", 1.0, timeout="500ms") as (sandbox, new, client):
        new.faults = Faults(error_rate=1, hang=True)
        for person in sandbox.add_persons(8):
            assert (await ask(sandbox, client, person))[0] == 200
        await counted(sandbox, client, shadow("failed"), 8.0)
        assert (
            'talaria_circuit_state{dependency="wind.shadow"} 2.0'
            in (await client.get(f"{sandbox.ops_url}/metrics")).text
        )
        (person,) = sandbox.add_persons(1)
        assert (await ask(sandbox, client, person))[0] == 200
        ready = (await client.get(f"{sandbox.ops_url}/readyz")).json()
        states = {one["name"]: one["state"] for one in ready["routes"][0]["dependencies"]}
        assert states["wind"] == "ok"


async def test_a_canary_serves_its_share_of_the_persons_and_always_the_same_ones() -> None:
    async with trial("canary", 0.3) as (sandbox, new, client):
        persons = sandbox.add_persons(30)
        for person in persons:
            new.users[sandbox.personal.phones[person]] = f"new-{person}"
        expected = {person: draw_of(PersonalPhoneId(person)) < 0.3 for person in persons}
        assert len(set(expected.values())) == 2
        for _ in range(2):
            for person in persons:
                status, user_id = await ask(sandbox, client, person)
                assert (status, user_id == f"new-{person}") == (200, expected[person])
            await client.delete(f"{sandbox.ops_url}/identities")
        assert new.requests.count == 2 * sum(expected.values())
        new.faults = Faults(error_rate=1, status=500)
        canary = next(person for person in persons if expected[person])
        assert (await ask(sandbox, client, canary))[0] == 502, "it is the partner, with all that this means"
