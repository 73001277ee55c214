"""Everything that is measured, by the name that `--only` takes."""

from collections.abc import Callable

from bench import bodies, compare, curves, edges, instructions, large, peers, rates, where
from bench.compare import Progress
from bench.gateway import SLOW, STANDARD, start_gateway
from bench.procs import DidNotStart
from bench.table import Table
from bench.testbed import Testbed

Part = Callable[[Testbed, Progress], tuple[Table, list[dict[str, object]]]]


def side_by_side(testbed: Testbed, progress: Progress) -> tuple[Table, list[dict[str, object]]]:
    """The gateway and every peer that is installed, all running at once, loaded in turn."""
    progress("starting the gateway and its peers")
    running, skipped = peers.start_all(testbed)
    for place, (name, shape) in enumerate({"talaria": STANDARD, "talaria, fast path off": SLOW}.items(), start=1):
        try:
            gateway = start_gateway(testbed, shape, name)
            gateway.warm()
            running.insert(place, gateway.peer)
        except DidNotStart as error:
            skipped.append(f"{name} is skipped: {error}")
    rounds, seconds = (3, 2) if testbed.quick else (7, 2)
    try:
        table, rows = compare.compared(compare.interleaved(running, rounds, seconds, progress))
    finally:
        for peer in running:
            peer.program.stop()
    table.notes += skipped
    return table, rows


PARTS: dict[str, Part] = {
    "instructions": instructions.instructions,
    "peers": side_by_side,
    "edges": edges.edges,
    "latency": rates.latency,
    "connections": curves.connections,
    "headers": curves.headers,
    "routes": curves.routes,
    "persons": curves.persons,
    "workers": curves.workers,
    "sizes": bodies.sizes,
    "uploads": bodies.uploads,
    "large": large.gibibyte,
    "slow-readers": large.slow_readers,
    "cold": rates.cold,
    "filling": rates.filling,
    "profile": where.profile,
}
