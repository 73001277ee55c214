"""No socket left is the gateway's own fault, not that of a dependency, and it passes as soon as there is one."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.faults.support_kept import KeptClient, Tally
from tests.integration.faults.support_processes import Served, serving
from tests.support_waiting import until

LIMIT, CLIENTS, ROUNDS = 60, 6, 3


async def take(sandbox: Sandbox, served: Served) -> list[asyncio.StreamWriter]:
    """Connections without a request, until LIMIT descriptors are open there."""
    url = urlsplit(sandbox.public_url)
    crowd: list[asyncio.StreamWriter] = []
    async with asyncio.timeout(10):
        while served.descriptors() < LIMIT:
            crowd.append((await asyncio.open_connection(url.hostname, url.port))[1])
    return crowd


async def ask_at_once(clients: list[KeptClient]) -> list[int]:
    """One request of each; their statuses, in order."""
    tally = Tally()
    await asyncio.gather(*(client.ask(tally) for client in clients))
    assert tally.lost == []
    return sorted(tally.statuses)


async def test_without_a_socket_left_the_gateway_is_overloaded(tmp_path: Path) -> None:
    async with (
        running_sandbox(gateway=False) as sandbox,
        serving(sandbox, tmp_path / "log", script=f'ulimit -n {LIMIT} && exec "$@"') as served,
    ):
        assert f'"limit":{LIMIT},"wanted":2048' in served.log.read_text()
        clients = [KeptClient(sandbox.public_url, sandbox.headers()) for _ in range(CLIENTS)]
        for client in clients:  # one after the other: they share one connection to the upstream
            assert await ask_at_once([client]) == [200]
        sandbox.talaria_services.faults = Faults(latency=0.2)
        crowd = await take(sandbox, served)
        for _ in range(ROUNDS):
            assert await ask_at_once(clients) == [200] + [503] * (CLIENTS - 1)
        for writer in crowd:
            writer.close()
        await until(lambda: served.descriptors() <= LIMIT - len(crowd) // 2)
        assert await ask_at_once(clients) == [200] * CLIENTS
        async with httpx.AsyncClient(trust_env=False) as operator:
            entries = (await operator.get(f"{served.ops_url}/5xx?last=1000")).json()["entries"]
        blamed = [(entry["origin"], entry["reason"], entry["cause"]) for entry in entries]
        assert blamed == [("gateway", "overloaded", "too many open files")] * ROUNDS * (CLIENTS - 1)
        for kept in clients:
            kept.close()


async def test_that_no_socket_is_left_is_said_by_a_line_and_by_the_page(tmp_path: Path) -> None:
    async with (
        running_sandbox(gateway=False) as sandbox,
        serving(sandbox, tmp_path / "log", script=f'ulimit -n {LIMIT} && exec "$@"') as served,
        httpx.AsyncClient(trust_env=False) as operator,
    ):
        assert "no descriptors left" not in (await operator.get(served.ops_url)).text
        crowd = await take(sandbox, served)
        await until(lambda: "no descriptor is left: connections are reset" in served.log.read_text())
        assert "no descriptors left in worker 0" in (await operator.get(served.ops_url)).text
        for writer in crowd:
            writer.close()


async def test_the_limit_is_raised_as_far_as_it_may_be(tmp_path: Path) -> None:
    async with (
        running_sandbox(gateway=False) as sandbox,
        serving(sandbox, tmp_path / "log", script=f'ulimit -Sn {LIMIT // 2} && exec "$@"') as served,
    ):
        for writer in await take(sandbox, served):
            writer.close()
