"""A rate limit is one for all workers: to the last request, whichever worker gets it, and whatever becomes of one."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from talaria.sandbox.stack import Sandbox, running_sandbox
from talaria.sandbox.toml_writer import merged
from tests.integration.faults import support_limit_race
from tests.integration.faults.support_kept import KeptClient, Tally
from tests.integration.faults.support_processes import Served, serving
from tests.support_waiting import PATIENT, until

WORKERS = pytest.mark.parametrize("workers", [2, 3])
CLIENTS = 24


@asynccontextmanager
async def town(folder: Path, workers: int, limits: dict[str, Any]) -> AsyncIterator[tuple[Sandbox, Served]]:
    """Services, and a gateway of so many workers."""
    async with (
        running_sandbox(gateway=False, config=merged(dict(PATIENT), limits)) as sandbox,
        serving(sandbox, folder / "log", workers=str(workers)) as served,
    ):
        await served.past_the_first_second()
        yield sandbox, served
        assert await served.stop() == 0


@contextmanager
def crowd(sandbox: Sandbox, *persons: str) -> Iterator[list[KeptClient]]:
    """So many clients that each worker gets some, of these persons by turns, or all of one."""
    headers = [sandbox.headers(person) for person in persons] or [sandbox.headers()]
    clients = [KeptClient(sandbox.public_url, headers[number % len(headers)]) for number in range(CLIENTS)]
    yield clients
    for client in clients:
        client.close()


async def ask(clients: list[KeptClient], times: int = 1) -> tuple[int, int, int]:
    """All at once, so many times: how many were served, were refused by a limit, and had another fate."""
    tally = Tally()
    for _ in range(times):
        await asyncio.gather(*(client.ask(tally) for client in clients))
    over = sum(b"rate-limited" in body or b"overloaded" in body for body in tally.refused)
    return tally.statuses.count(200), over, len(clients) * times - tally.statuses.count(200) - over


async def replace_a_worker(served: Served) -> None:
    before = served.children()
    os.kill(before[0], signal.SIGKILL)
    await until(lambda: len(set(served.children()) - {before[0]}) == len(before))


async def reload(served: Served, workers: int) -> None:
    """SIGHUP, until each worker has heeded it."""
    before = served.log.read_text().count('"configuration reloaded"')
    served.process.send_signal(signal.SIGHUP)
    await until(lambda: served.log.read_text().count('"configuration reloaded"') == before + workers)


@WORKERS
async def test_a_callers_limit_outlasts_a_worker_and_a_reload_and_a_new_one_begins_anew(
    tmp_path: Path, workers: int
) -> None:
    async with town(tmp_path, workers, {"callers": {"app": {"rate_limit": "1/h burst 60"}}}) as (sandbox, served):
        with crowd(sandbox) as clients:
            assert await ask(clients, times=3) == (60, 12, 0)
        await replace_a_worker(served)
        with crowd(sandbox) as clients:
            assert await ask(clients) == (0, CLIENTS, 0)
            await reload(served, workers)
            assert await ask(clients) == (0, CLIENTS, 0)
            async with httpx.AsyncClient(trust_env=False) as client:
                got = await client.get(f"{sandbox.public_url}/v1/scooters/nearby", headers=sandbox.headers())
            assert (got.status_code, 3_000 < int(got.headers["retry-after"]) <= 3_600) == (429, True)
            path = sandbox.config_path
            path.write_text(path.read_text().replace("1/h burst 60", "1/h burst 61"))
            await reload(served, workers)
            assert await ask(clients, times=3) == (61, 11, 0)


@WORKERS
async def test_a_persons_limit_is_exact_for_each(tmp_path: Path, workers: int) -> None:
    async with town(tmp_path, workers, {"callers": {"app": {"person_rate_limit": "1/h burst 10"}}}) as (
        sandbox,
        served,
    ):
        with crowd(sandbox, *sandbox.add_persons(3)) as clients:
            assert await ask(clients, times=2) == (30, 18, 0)
        await replace_a_worker(served)
        with crowd(sandbox, *sandbox.add_persons(2)) as clients:
            assert await ask(clients, times=2) == (20, 28, 0)


@WORKERS
async def test_a_partners_limit_is_exact(tmp_path: Path, workers: int) -> None:
    async with town(tmp_path, workers, {"partners": {"wind": {"rate_limit": "1/h burst 5"}}}) as (sandbox, served):
        with crowd(sandbox, *sandbox.add_persons(CLIENTS)) as clients:
            assert await ask(clients) == (5, CLIENTS - 5, 0)
        await replace_a_worker(served)
        await reload(served, workers)
        with crowd(sandbox, *sandbox.add_persons(CLIENTS)) as clients:
            assert await ask(clients) == (0, CLIENTS, 0)
        assert sandbox.wind.requests.count == 5


async def told(*arguments: int) -> str:
    """What the processes of a race told."""
    command = [sys.executable, "-m", support_limit_race.__name__, *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return output.decode().strip()


@pytest.mark.parametrize("processes", [2, 3])
async def test_processes_that_count_as_fast_as_they_can_admit_no_more_and_no_fewer(processes: int) -> None:
    assert int(await told(processes, 0)) == support_limit_race.BURST


async def test_a_process_that_is_killed_in_the_middle_blocks_no_other_and_loses_no_count_but_its_own() -> None:
    kills = 60
    assert support_limit_race.BURST - kills <= int(await told(2, kills)) <= support_limit_race.BURST


async def test_a_process_that_is_stopped_in_the_middle_blocks_no_other() -> None:
    """Until it is killed, no request counts."""
    assert await told() == "[True, True, True, False]"
