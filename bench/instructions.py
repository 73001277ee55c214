"""How many instructions a warm request costs: callgrind round the real server, on real sockets.

Exact where timers are not: two runs of one commit differ by under a tenth of a percent, whatever else the machine does.
Counted are the instructions in user space while so many requests pass; the start is left out.
"""

import itertools
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import caller_tokens, procs
from bench.compare import Progress
from bench.gateway import SLOW, Gateway, Shape, start_gateway
from bench.load import LoadFailed
from bench.table import Table
from bench.testbed import Missing, Testbed, create, new_folder, which

_PROXY = "127.0.0.2"
_FAST = Shape(trusted=_PROXY)


@dataclass(frozen=True, slots=True)
class Kind:
    """Requests that are alike. In `lines` NUMBER stands for what differs from one to the next.

    `source`: the address that they come from.
    """

    shape: Shape = _FAST
    start: str = "GET /"
    lines: tuple[str, ...] = ()
    body: str = ""
    source: str = "127.0.0.1"


_HOPS = ("X-Forwarded-For: 198.51.100.NUMBER", "X-Forwarded-Proto: https", "X-Forwarded-Host: api.example")
_TRACE = "traceparent: 00-0af7651916cd43dd8448eb211c8NUMBER-b7ad6b7169203331-00"
KINDS = {
    "fast": Kind(),
    "slow": Kind(SLOW),
    "fast, behind a proxy": Kind(lines=_HOPS, source=_PROXY),
    "fast, a POST of 1,000 bytes": Kind(start="POST /", lines=("Content-Length: 1000",), body="x" * 1000),
    "fast, a client's trace": Kind(lines=(_TRACE,)),
    "fast, an answer in chunks": Kind(start="GET /chunked/1000"),
    "fast, 20 more header lines": Kind(lines=tuple(f"x-bench-{n}: value of header {n}" for n in range(20))),
    "fast, three lines never seen before": Kind(lines=tuple(f"x-bench-{n}: {n}-NUMBER" for n in range(3))),
}
CONNECTIONS = 32
PERSONS = 64
COUNTED = 800
PARTS = 4
"""So many requests in each part. The least part counts: what goes off by the clock weighs more in a slower one."""
_WARM_UP = 16
_STARTS_WITHIN = 200.0
"""Seconds: under valgrind a program is some forty times slower."""
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def instructions(
    testbed: Testbed, progress: Progress, kinds: Collection[str] = tuple(KINDS)
) -> tuple[Table, list[dict[str, object]]]:
    """Of a warm request by either path. Raises Missing where valgrind is not installed."""
    each: dict[str, float] = {}
    for shape in (_FAST, SLOW):
        named = {name: KINDS[name] for name in kinds if KINDS[name].shape is shape}
        each |= _instructions_by("slow" if shape is SLOW else "fast", shape, named, testbed, progress) if named else {}
    first = next(iter(each.values()), 0.0)
    rows = [[name, f"{count:,.0f}", f"{count / first:.2f}"] for name, count in each.items()]
    table = Table("Instructions of a warm GET, in user space", ["path", "instructions", "times first"], rows)
    table.notes.append(
        f"callgrind round the server: the least of {PARTS} times {COUNTED} requests, {CONNECTIONS} connections"
    )
    return table, [{"path": name, "instructions": count} for name, count in each.items()]


def _instructions_by(
    name: str, shape: Shape, kinds: dict[str, Kind], testbed: Testbed, progress: Progress
) -> dict[str, float]:
    valgrind = which("valgrind")
    which("callgrind_control")
    progress(f"instructions: starting the gateway under valgrind, {name} path")
    counts = testbed.folder / f"callgrind.{name}.out"
    under = [valgrind, "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={counts}"]
    gateway = start_gateway(testbed, shape, f"instructions-{name}", under=under, seconds=_STARTS_WITHIN)
    try:
        return {called: _count(called, kind, testbed, gateway, counts, progress) for called, kind in kinds.items()}
    finally:
        gateway.program.stop()


def _count(name: str, kind: Kind, testbed: Testbed, gateway: Gateway, counts: Path, progress: Progress) -> float:
    host, port = gateway.peer.url.removeprefix("http://").split(":")
    tokens = [testbed.callers.token(caller_tokens.person_id(number)) for number in range(PERSONS)]
    requests = (_request(kind, f"{host}:{port}", tokens[number % PERSONS], number) for number in itertools.count())
    clients = [socket.create_connection((host, int(port)), None, (kind.source, 0)) for _ in range(CONNECTIONS)]
    known = set(counts.parent.glob(f"{counts.name}*"))
    try:
        progress(f"instructions: warming up, {name}")
        _in_lock_step(clients, requests, _WARM_UP)
        _control(gateway, "-i", "on")
        _in_lock_step(clients, requests, _WARM_UP // 2)
        _control(gateway, "-z")
        progress("instructions: counting")
        for _ in range(PARTS):
            _in_lock_step(clients, requests, COUNTED // CONNECTIONS)
            _control(gateway, "-d")
        _control(gateway, "-i", "off")
    finally:
        for client in clients:
            client.close()
    dumps = set(counts.parent.glob(f"{counts.name}*")) - known
    totals = [int(found[1]) for file in dumps if (found := _TOTAL.search(_text(file)))]
    return min(sorted(totals)[-PARTS:]) / COUNTED  # what is dumped when the counts are set to zero is less


def _request(kind: Kind, authority: str, token: str, number: int) -> bytes:
    lines = [f"{kind.start} HTTP/1.1", f"Host: {authority}", "Accept: */*", "User-Agent: bench", "x-api-tag: wind"]
    lines += [line.replace("NUMBER", f"{number:05d}") for line in kind.lines]
    return "\r\n".join([*lines, f"Authorization: Bearer {token}", "", kind.body]).encode()


def _in_lock_step(clients: list[socket.socket], requests: Iterator[bytes], rounds: int) -> None:
    """Every client sends one request, then every client reads its response; so many times."""
    for _ in range(rounds):
        for client in clients:
            client.sendall(next(requests))
        for client in clients:
            _read(client)


def _read(client: socket.socket) -> None:
    """One response of status 200. Raises LoadFailed."""
    data = b""
    while True:
        piece = client.recv(65536)
        data += piece
        end = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, end) if end >= 0 else None
        if not piece or (end >= 0 and not data.startswith(b"HTTP/1.1 200 ")):
            raise LoadFailed(f"not a response of status 200: {data[:200]!r}")
        if len(data) >= end + 4 + int(length[1]) if length is not None else data.endswith(b"\r\n0\r\n\r\n"):
            return


def _control(gateway: Gateway, *options: str) -> None:
    command = ["callgrind_control", *options, str(gateway.program.process.pid)]
    subprocess.run(command, check=True, capture_output=True)


def _text(file: Path) -> str:
    return file.read_text(errors="replace")


def check(bounds: dict[str, float]) -> int:
    """For CI: 1 where one of these kinds costs more instructions than its bound; 0 where none does, or none can be
    counted.
    """
    procs.end_on_signals()
    folder = new_folder()
    try:
        table, rows = instructions(create(folder, quick=True, minutes=10), lambda _: None, bounds)
    except Missing as missing:
        print(f"instructions: skipped, {missing}")
        return 0
    finally:
        procs.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    print(table)
    over = {
        str(row["path"]): count for row in rows if (count := float(str(row["instructions"]))) > bounds[str(row["path"])]
    }
    for path, count in over.items():
        text = f"a warm request ({path}) costs {count:,.0f} instructions, over the bound of {bounds[path]:,.0f}"
        print(text, file=sys.stderr)
    return int(bool(over))


if __name__ == "__main__":
    given = (bound.rpartition("=") for bound in sys.argv[1:])
    sys.exit(check({kind: float(most) for kind, _, most in given}))
