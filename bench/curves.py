"""Growth curves of the warm path: what a request costs as one thing grows.

The points of a curve are loaded in turn, round after round, and each is set against the curve's first point in the
same round, for the reason that stands in compare.py.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from bench import compare, memory, peers
from bench.compare import Progress, Sample
from bench.gateway import STANDARD, Gateway, Shape, running, start_gateway
from bench.load import Option
from bench.peers import Peer
from bench.table import Table
from bench.testbed import Testbed

Rows = list[dict[str, object]]

POSTED = "5, a POST of 1,000 bytes"
NEW_LINES = "8, three never seen before"


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve: its label, one round of it, and the proxy of the curve."""

    label: str
    take: Callable[[], Sample]
    proxy: str = ""


def turns(points: Sequence[Point], rounds: int, progress: Progress) -> list[list[Sample]]:
    """The samples of each point, taken in turn. Raises LoadFailed."""
    samples: list[list[Sample]] = [[] for _ in points]
    for number in range(rounds):
        for point, taken in zip(points, samples, strict=True):
            progress(f"round {number + 1} of {rounds}: {point.label}")
            taken.append(point.take())
    return samples


def grown(table: Table, points: Sequence[Point], testbed: Testbed, progress: Progress, *more: list[object]) -> Rows:
    """Fills `table` with label, CPU, ratio to the first point, rate, p50, p99 and the further columns."""
    samples = turns(points, testbed.rounds(), progress)
    first: dict[str, list[Sample]] = {}
    rows: Rows = []
    for index, (point, taken) in enumerate(zip(points, samples, strict=True)):
        base = first.setdefault(point.proxy, taken)
        ratios = [sample.cpu / its.cpu for sample, its in zip(taken, base, strict=True)]
        values = [median(getattr(sample, name) for sample in taken) for name in ("cpu", "rate", "p50", "p99")]
        table.add(point.label, values[0], median(ratios), *values[1:], *(column[index] for column in more))
        rows.append({"point": point.label, "ratios": ratios, "cpu": [sample.cpu for sample in taken]})
    return rows


def _table(title: str, what: str, *more: str) -> Table:
    return Table(title, [what, "us CPU", "times first", "requests/s", "p50 ms", "p99 ms", *more])


def _loaded(peer: Peer, testbed: Testbed, connections: int = 32, **options: Option) -> Callable[[], Sample]:
    return lambda: compare.measure(peer, testbed.seconds(), connections, "/", **options)


def connections(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """8 to 2,000 clients' connections; the first row is the 32 of every other measurement. Beside it, nginx's."""
    table = _table("Clients' connections (CPU for a request)", "connections")
    table.notes.append(
        "`server.max_in_flight` is 4096 here and `max_connections` of the upstream 2048. By default 1,024 requests are"
        " served at once, of which 256 have a connection to the upstream and the others wait for one."
    )
    with (
        running(testbed, Shape(max_in_flight=4096, max_connections=2048)) as gateway,
        peers.one(testbed, "nginx") as nginx,
    ):
        counts = [32, 8, 128, 500, 1000, 2000]
        points = [Point(str(count), _loaded(gateway.peer, testbed, count)) for count in counts]
        points += [Point(f"nginx, {count}", _loaded(nginx, testbed, count), "nginx") for count in (32, 2000)]
        return table, grown(table, points, testbed, progress)


def headers(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """5 to 60 header lines in the request, a body, and lines that differ each time. Beside it, nginx's."""
    table = _table("Header lines in the request, and a body (CPU for a request)", "headers")
    own = 5  # host, accept, user-agent, x-api-tag, authorization
    more: dict[str, dict[str, int]] = {str(n): {"headers": n - own} for n in (own, 10, own + 20, 40, 60)}
    more |= {POSTED: {"body": 1000}, NEW_LINES: {"new": 3}}
    with running(testbed) as gateway, peers.one(testbed, "nginx") as nginx:
        points = [Point(name, _loaded(gateway.peer, testbed, **options)) for name, options in more.items()]
        nginx.tokens = gateway.peer.tokens
        both = (str(own), str(own + 20), "60", POSTED, NEW_LINES)
        points += [Point(f"nginx, {name}", _loaded(nginx, testbed, **more[name]), "nginx") for name in both]
        return table, grown(table, points, testbed, progress)


def routes(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """1 to 1,000 routes, every one of them asked for."""
    table = _table("Routes (CPU for a request)", "routes")
    with ExitStack() as stack:
        points = []
        for count in (1, 10, 100, 1000):
            gateway = stack.enter_context(running(testbed, Shape(routes=count), f"routes-{count}"))
            points.append(Point(str(count), _loaded(gateway.peer, testbed, tags=count)))
        return table, grown(table, points, testbed, progress)


def workers(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """One worker and two. On two cores, which wrk and the origin share, two can't be twice as fast."""
    table = _table("Workers (CPU for a request)", "workers")
    table.notes.append("wrk and the origin run on the same cores: the rate says little, the CPU for a request more.")
    with ExitStack() as stack:
        points = []
        for count in (1, 2):
            gateway = stack.enter_context(running(testbed, Shape(workers=count), f"workers-{count}"))
            points.append(Point(str(count), _loaded(gateway.peer, testbed, 64)))
        return table, grown(table, points, testbed, progress)


def persons(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """10^2 to 10^6 persons in the cache, a thousand of them spread over all of it asked for."""
    table = _table("Persons cached (CPU for a request)", "persons", "MiB of the gateway", "bytes an entry")
    sizes = [10**power for power in ((2, 3, 4) if testbed.quick else (2, 3, 4, 5, 6))]
    points, resident, entries = [], [], []
    with ExitStack() as stack:
        for size in sizes:
            progress(f"filling a cache with {size}")
            gateway = _filled(testbed, size)
            stack.callback(gateway.program.stop)
            points.append(Point(f"{size:,}", _loaded(gateway.peer, testbed)))
            resident.append(gateway.program.resident() / 2**20)
            entries.append(memory.of_entries(size))
        rows = grown(table, points, testbed, progress, list(resident), list(entries))
    for row, of_entry in zip(rows, entries, strict=True):
        row["bytes an entry"] = of_entry
    table.notes.append(
        "The caches are filled inside the gateway's process when it starts (bench/prefilled.py); 1,000 persons spread"
        " over the whole cache (100 in the first row) are asked for. `bytes an entry`: the cache alone, in a process"
        " of its own; below 10,000 entries the allocator's steps are larger than the cache."
    )
    return table, rows


def _filled(testbed: Testbed, size: int) -> Gateway:
    shape = Shape(max_entries=max(size, STANDARD.max_entries), filled=size)
    gateway = start_gateway(testbed, shape, f"persons-{size}")
    asked = min(size, peers.PERSONS)
    gateway.peer.tokens = testbed.callers.tokens(0, asked, size // asked)
    gateway.warm()
    return gateway
