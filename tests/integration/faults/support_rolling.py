"""Two instances on one port, restarted one after the other under the load of clients that keep their connections."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from talaria.sandbox.stack import free_port, running_sandbox
from tests.integration.faults.support_kept import KeptClient, Tally
from tests.integration.faults.support_processes import Served, end, held, serve

CLIENTS, EVERY = 20, 0.1
"""200 requests a second."""


async def roll(folder: Path, times: int, workers: int = 1) -> tuple[Tally, list[int]]:
    """So many restarts: what the clients saw, and the exit codes of the instances."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(running_sandbox(gateway=False, folder=folder / "sandbox"))
        stack.enter_context(held(sandbox))
        ports = [sandbox.ports.ops, free_port(sandbox.host)]

        async def start(turn: int) -> Served:
            log = folder / f"log-{turn}"
            served = await serve(sandbox, log, ports[turn % 2], workers=str(workers), drain_timeout="10s")
            stack.push_async_callback(end, served)
            return served

        instances = [await start(0), await start(1)]
        over, tally, codes = asyncio.Event(), Tally(), []
        clients = [KeptClient(sandbox.public_url, sandbox.headers()) for _ in range(CLIENTS)]
        load = [asyncio.create_task(client.keep_asking(tally, EVERY, over)) for client in clients]
        for turn in range(times):
            codes.append(await instances.pop(0).stop())
            instances.append(await start(turn + 2))
        over.set()
        await asyncio.gather(*load)
        codes += [await instance.stop() for instance in instances]
        return tally, codes
