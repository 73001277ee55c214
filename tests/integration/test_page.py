"""The operators' page on the wire, of two workers: live, and gone with the gateway."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from talaria.sandbox import fixtures
from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.faults.support_processes import Served, serving

IN_TIME = 10.0


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(gateway=False) as running:
        yield running


@pytest.fixture
async def served(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(sandbox, tmp_path / "log", workers="2") as running:
        yield running


async def until(client: httpx.AsyncClient, url: str, said: str) -> None:
    """Read what is live until it says this."""
    async with asyncio.timeout(IN_TIME), client.stream("GET", url) as live:
        assert live.headers["content-type"].startswith("text/event-stream")
        async for line in live.aiter_lines():
            if said in line:
                return


async def test_the_page_tells_of_all_workers(sandbox: Sandbox, served: Served) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers())).status_code == 200
        text = (await client.get(served.ops_url)).text
    workers = served.children()[:2]
    for pid in workers:
        assert re.search(rf'class="number">{pid}</td>', text), pid
    assert "<h1>serving</h1>" in text
    assert text.count(">answers</td>") == 2


async def test_a_dependency_that_fails_is_seen_live_and_its_failure_has_a_page(
    sandbox: Sandbox, served: Served
) -> None:
    sandbox.personal.faults = Faults(error_rate=1.0)
    async with httpx.AsyncClient(trust_env=False) as client:
        seen = asyncio.create_task(until(client, f"{served.ops_url}/live", "serving, personal failing"))
        failed = await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers(fixtures.BORIS))
        assert failed.status_code == 503
        await seen
        timeline = await client.get(f"{served.ops_url}/timeline/{failed.headers['x-request-id']}")
    assert timeline.headers["content-type"].startswith("text/html")
    assert "503 personal-overloaded" in timeline.text


async def test_a_live_page_delays_no_end(sandbox: Sandbox, served: Served) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", f"{served.ops_url}/live") as live:
        lines = live.aiter_lines()
        await anext(lines)
        served.process.terminate()
        async with asyncio.timeout(IN_TIME):
            assert [line async for line in lines][-1] == ""
            assert await served.process.wait() == 0


async def test_one_process_has_a_live_page_too() -> None:
    async with running_sandbox() as sandbox, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers())).status_code == 200
        await until(client, f"{sandbox.ops_url}/live", "<b>0.")  # once there is a sample, requests have a rate
