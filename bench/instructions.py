"""How many instructions a warm request costs: callgrind round the real server, on real sockets.

Exact where timers are not: two runs of one commit differ by under a tenth of a percent, whatever else the machine does.
Counted are the instructions in user space while so many requests pass; the start is left out.
"""

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from bench import caller_tokens, procs
from bench.compare import Progress
from bench.gateway import SLOW, STANDARD, Gateway, Shape, start_gateway
from bench.load import LoadFailed
from bench.table import Table
from bench.testbed import Missing, Testbed, create, new_folder, which

PATHS = {"fast": STANDARD, "slow": SLOW}
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


def instructions(testbed: Testbed, progress: Progress) -> tuple[Table, list[dict[str, object]]]:
    """A warm GET by either path. Raises Missing where valgrind is not installed."""
    each = {name: _instructions_by(name, shape, testbed, progress) for name, shape in PATHS.items()}
    rows = [[name, f"{count:,.0f}"] for name, count in each.items()]
    table = Table("Instructions of a warm GET, in user space", ["path", "instructions"], rows)
    table.notes.append(
        f"callgrind round the server: the least of {PARTS} times {COUNTED} requests, {CONNECTIONS} connections"
    )
    return table, [{"path": name, "instructions": count} for name, count in each.items()]


def _instructions_by(name: str, shape: Shape, testbed: Testbed, progress: Progress) -> float:
    valgrind = which("valgrind")
    which("callgrind_control")
    progress(f"instructions: starting the gateway under valgrind, {name} path")
    counts = testbed.folder / f"callgrind.{name}.out"
    under = [valgrind, "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={counts}"]
    gateway = start_gateway(testbed, shape, f"instructions-{name}", under=under, seconds=_STARTS_WITHIN)
    try:
        return _count(testbed, gateway, counts, progress)
    finally:
        gateway.program.stop()


def _count(testbed: Testbed, gateway: Gateway, counts: Path, progress: Progress) -> float:
    host, port = gateway.peer.url.removeprefix("http://").split(":")
    requests = [
        _request(f"{host}:{port}", testbed.callers.token(caller_tokens.person_id(number))) for number in range(PERSONS)
    ]
    clients = [socket.create_connection((host, int(port))) for _ in range(CONNECTIONS)]
    try:
        progress("instructions: warming up")
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
    totals = [int(found[1]) for file in counts.parent.glob(f"{counts.name}*") if (found := _TOTAL.search(_text(file)))]
    return min(sorted(totals)[-PARTS:]) / COUNTED  # what is dumped at the end of the program is little


def _request(authority: str, token: str) -> bytes:
    lines = ["GET / HTTP/1.1", f"Host: {authority}", "Accept: */*", "User-Agent: bench", "x-api-tag: wind"]
    return "\r\n".join([*lines, f"Authorization: Bearer {token}", "", ""]).encode()


def _in_lock_step(clients: list[socket.socket], requests: list[bytes], rounds: int) -> None:
    """Every client sends one request, then every client reads its response; so many times."""
    for number in range(rounds):
        for index, client in enumerate(clients):
            client.sendall(requests[(number * len(clients) + index) % len(requests)])
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
        if not piece or (end >= 0 and (not data.startswith(b"HTTP/1.1 200 ") or length is None)):
            raise LoadFailed(f"not a response of status 200: {data[:200]!r}")
        if length is not None and len(data) >= end + 4 + int(length[1]):
            return


def _control(gateway: Gateway, *options: str) -> None:
    command = ["callgrind_control", *options, str(gateway.program.process.pid)]
    subprocess.run(command, check=True, capture_output=True)


def _text(file: Path) -> str:
    return file.read_text(errors="replace")


def check(bounds: dict[str, float]) -> int:
    """For CI: 1 where a warm GET costs more instructions by a path than its bound; 0 where it does not, or none can be
    counted.
    """
    procs.end_on_signals()
    folder = new_folder()
    try:
        table, rows = instructions(create(folder, quick=True, minutes=10), lambda _: None)
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
        text = f"a warm GET by the {path} path costs {count:,.0f} instructions, over the bound of {bounds[path]:,.0f}"
        print(text, file=sys.stderr)
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(check(dict(zip(PATHS, map(float, sys.argv[1:]), strict=True))))
