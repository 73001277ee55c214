"""Bodies too large to be held: what the gateway grows by while they pass, and what a GiB costs beside nginx."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from bench import caller_tokens
from bench.compare import Progress
from bench.curves import Rows
from bench.gateway import running
from bench.load import LoadFailed
from bench.peers import Peer, one
from bench.procs import Program
from bench.slow import SlowReaders
from bench.table import Table
from bench.testbed import LARGE, Testbed

BLOCK = 1 << 20


class Growth:
    """Watches the resident memory of a tree while it is entered: `most` minus what it was at first, in bytes."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self.bytes = 0

    def __enter__(self) -> Self:
        self._first = self._program.resident()
        self._watching.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.bytes = max(self.bytes, self._program.resident() - self._first)


@dataclass(frozen=True, slots=True)
class Passage:
    """One large body through a proxy: its time, its CPU, and by how much the proxy grew (bytes)."""

    seconds: float
    cpu: float
    growth: int


def gibibyte(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """1 GiB down and up through one connection, beside nginx."""
    name = "100m" if testbed.quick else "1g"
    columns = ["what", "MB/s", "s CPU a GiB", "nginx s CPU a GiB", "times nginx", "MiB grown"]
    table = Table(f"One body of {LARGE[name] >> 20} MiB (the gateway beside nginx)", columns)
    rows: Rows = []
    with ExitStack() as stack:
        gateway, nginx = stack.enter_context(running(testbed)).peer, stack.enter_context(one(testbed, "nginx"))
        for what, carry in (("download", _download), ("upload", _upload)):
            pairs = []
            for number in range(testbed.rounds()):
                progress(f"{what}, round {number + 1}")
                pairs.append(tuple(_passage(testbed, peer, carry, name) for peer in (gateway, nginx)))
            gibs = LARGE[name] / (1 << 30)
            rate = median(LARGE[name] / mine.seconds / 1e6 for mine, _ in pairs)
            cpus = [median(pair[side].cpu / gibs for pair in pairs) for side in (0, 1)]
            ratios = [mine.cpu / its.cpu for mine, its in pairs]
            grown = max(mine.growth for mine, _ in pairs) / 2**20
            table.add(what, rate, *cpus, median(ratios), grown)
            rows.append({"what": what, "ratios": ratios, "cpu": cpus, "MiB grown": grown})
    return table, rows


Carry = Callable[[Testbed, Peer, str], None]


def _passage(testbed: Testbed, peer: Peer, carry: Carry, name: str) -> Passage:
    cpu, began = peer.program.cpu(), monotonic()
    with Growth(peer.program) as growth:
        carry(testbed, peer, name)
    return Passage(monotonic() - began, peer.program.cpu() - cpu, growth.bytes)


def asking(testbed: Testbed, tag: str) -> dict[str, str]:
    """The headers of a request of the first person."""
    return {"x-api-tag": tag, "authorization": f"Bearer {testbed.callers.token(caller_tokens.person_id(0))}"}


def _download(testbed: Testbed, peer: Peer, name: str) -> None:
    connection = http.client.HTTPConnection(peer.url.removeprefix("http://"), timeout=120)
    connection.request("GET", testbed.large(name), headers=asking(testbed, "wind"))
    answer = connection.getresponse()
    buffer, got = bytearray(BLOCK), 0
    while count := answer.readinto(buffer):
        got += count
    connection.close()
    if answer.status != 200 or got != LARGE[name]:
        raise LoadFailed(f"{peer.name}: {answer.status} with {got} bytes of {LARGE[name]}")


def _upload(testbed: Testbed, peer: Peer, name: str) -> None:
    connection = http.client.HTTPConnection(peer.url.removeprefix("http://"), timeout=120)
    head = {**asking(testbed, "sink"), "content-length": str(LARGE[name])}
    connection.request("POST", "/upload", body=_blocks(LARGE[name]), headers=head)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    if answer.status != 200 or int(said) != LARGE[name]:
        raise LoadFailed(f"{peer.name}: {answer.status}, the sink got {said[:80]!r} bytes of {LARGE[name]}")


def _blocks(size: int) -> Iterator[bytes]:
    block = bytes(BLOCK)
    for _ in range(size // BLOCK):
        yield block


def slow_readers(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """200 clients that each ask for 100 MiB and read slowly."""
    count, seconds = (50, 5) if testbed.quick else (200, 15)
    table = Table("Slow readers of 100 MiB each (16 KiB in 100 ms)", ["readers", "seconds", "MB read", "MiB grown"])
    with running(testbed) as gateway, Growth(gateway.program) as growth:
        progress(f"{count} slow readers")
        with SlowReaders(gateway.peer.url, testbed.large("100m"), asking(testbed, "wind"), count) as readers:
            until = monotonic() + seconds
            while monotonic() < until:
                readers.read(16 << 10)
                sleep(0.1)
            table.add(count, seconds, readers.total / 1e6, growth.bytes / 2**20)
    if readers.total < count * 16 << 10:
        raise LoadFailed(f"the readers got {readers.total} bytes only")
    return table, [{"readers": count, "MiB grown": growth.bytes / 2**20}]
