"""Requests come at a fixed rate, whatever becomes of them, to a gateway of known capacity.

The capacity is that of `server.max_in_flight` before an upstream of a fixed latency, so it does not hang on the speed
of the machine.
"""

import asyncio
from dataclasses import dataclass

from talaria.sandbox.faults import Faults
from tests.integration.faults.support_faults import harness
from tests.integration.faults.support_kept import KeptClient, Tally

IN_FLIGHT, LATENCY = 16, 0.2


@dataclass(frozen=True, slots=True)
class Offered:
    """What came of an offer. `capacity` and `goodput` in answers a second, `p99` (of those admitted) in seconds."""

    capacity: float
    goodput: float
    p99: float
    refused: int
    others: int


async def offer(times: float, seconds: float) -> Offered:
    """So many times the capacity, for so long."""
    capacity = IN_FLIGHT / LATENCY
    async with harness({"server": {"max_in_flight": IN_FLIGHT}}) as running:
        (person,) = running.sandbox.add_persons(1)
        assert (await running.get(person)).status == 200
        running.sandbox.talaria_services.faults = Faults(latency=LATENCY)
        tallies: list[Tally] = []
        idle: list[KeptClient] = []

        async def one() -> None:
            client = idle.pop() if idle else KeptClient(running.sandbox.public_url, running.sandbox.headers(person))
            tallies.append(Tally())
            await client.ask(tallies[-1])
            idle.append(client)

        async with asyncio.TaskGroup() as group:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for number in range(int(times * capacity * seconds)):
                await asyncio.sleep(began + number / (times * capacity) - loop.time())
                group.create_task(one())
        took = loop.time() - began
        for client in idle:
            client.close()
    good = sorted(tally.slowest for tally in tallies if tally.statuses == [200])
    refused = sum(tally.statuses == [503] for tally in tallies)
    p99 = good[int(0.99 * (len(good) - 1))]
    return Offered(capacity, len(good) / took, p99, refused, len(tallies) - len(good) - refused)
