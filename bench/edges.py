"""Engines in front of the gateway, with the configurations that `talaria render` prints, beside plain forwarding.

What a request costs is the engine's CPU and the gateway's together, the decisions included. All get the same requests,
tokens and all. Between two rounds of an engine every kept decision expires, and each of its persons is decided on once
in a round: so the engine that keeps decisions gets as many persons as PERSONS would have expire in that time.
"""

import getpass
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import caller_tokens, compare, peers
from bench.compare import Progress
from bench.gateway import Gateway, Shape, start_gateway
from bench.peers import PERSONS, Peer
from bench.procs import DidNotStart, Program, free_ports, start
from bench.table import Table
from bench.testbed import ROOT, Missing, Testbed, fill, which

KEPT = 15
"""For how long an edge may keep a decision, in seconds."""
_SHAPE = Shape(max_in_flight=4096, decisions=f"{KEPT}s", sink=False)
_PLAIN = ("nginx", "envoy")


@dataclass(slots=True)
class _WithGateway(Program):
    """An engine whose cost is its own and that of the gateway behind it."""

    gateway: Program | None = field(default=None)

    def cpu(self) -> float:
        return Program.cpu(self) + (self.gateway.cpu() if self.gateway is not None else 0.0)


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    does: str
    engine: str
    options: tuple[str, ...]
    command: Callable[[Path], list[str]]


def _nginx(file: Path) -> list[str]:
    return [
        which("nginx"),
        "-p",
        str(file.parent),
        "-e",
        "stderr",
        "-c",
        str(file),
        "-g",
        f"daemon off; user {getpass.getuser()};",
    ]


def _envoy(file: Path) -> list[str]:
    return [peers.of_venv("envoy"), "-c", str(file), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]


def _haproxy(file: Path) -> list[str]:
    return [which("haproxy"), "-db", "-f", str(file)]


ROWS = [
    _Row("nginx edge, fast", "forwards, keeps decisions", "nginx", ("--mode", "edge", "--fast"), _nginx),
    _Row("nginx edge", "forwards, asks each time", "nginx", ("--mode", "edge"), _nginx),
    _Row("envoy ext_authz", "forwards, asks each time", "envoy", ("--mode", "edge"), _envoy),
    _Row("haproxy balance", "balances, Talaria forwards", "haproxy", ("--mode", "balance"), _haproxy),
]
"""What `talaria render` prints, by the engine that runs it."""


def edges(testbed: Testbed, progress: Progress) -> tuple[Table, list[dict[str, object]]]:
    """Each in turn, round after round, beside nginx and Envoy that forward alone, and beside the decision alone."""
    rounds, seconds = (3, 2) if testbed.quick else (7, 3)
    progress("starting the gateway and the engines in front of it")
    running, skipped = peers.start_all(testbed, set(_PLAIN))
    with _gateway(testbed) as gateway:
        for peer in running:
            peer.tokens = gateway.peer.tokens
        running += [gateway.peer, _decision(gateway)]
        for row in ROWS:
            try:
                running.append(_start(testbed, gateway, row, _persons(row, seconds)))
            except (Missing, DidNotStart) as error:
                skipped.append(f"{row.name} is skipped: {error}")
        try:
            running.append(_envoy_alone(testbed))
        except (Missing, DidNotStart) as error:
            skipped.append(f"envoy jwt_authn is skipped: {error}")
        try:
            table, rows = compare.compared(compare.interleaved(running, rounds, seconds, progress))
        finally:
            for peer in running:
                peer.program.stop()
    table.title = "Engines in front of the gateway: CPU for a request, all processes, beside nginx's plain forwarding"
    table.notes += skipped
    return table, rows


@contextmanager
def _gateway(testbed: Testbed) -> Iterator[Gateway]:
    gateway = start_gateway(testbed, _SHAPE, "talaria")
    try:
        gateway.warm()
        yield gateway
    finally:
        gateway.program.stop()


def _decision(gateway: Gateway) -> Peer:
    """The decision listener by itself, asked as Envoy asks it."""
    return Peer(
        "decision alone", "decides, keeps nothing", f"{gateway.decisions}/decide", gateway.program, gateway.peer.tokens
    )


def _persons(row: _Row, seconds: int) -> int:
    return PERSONS * seconds // KEPT if "--fast" in row.options else PERSONS


def _start(testbed: Testbed, gateway: Gateway, row: _Row, persons: int) -> Peer:
    (port,) = free_ports(1)
    folder = testbed.folder / row.name.replace(" ", "-").replace(",", "")
    folder.mkdir()
    file = folder / {"nginx": "nginx.conf", "envoy": "envoy.yaml", "haproxy": "haproxy.cfg"}[row.engine]
    file.write_text(_rendered(gateway, row, port))
    program = _and_gateway(start(row.engine, row.command(file), folder), gateway)
    tokens = testbed.callers.tokens(0, persons)
    return _ready(testbed, Peer(row.name, row.does, f"http://127.0.0.1:{port}", program, tokens))


def _rendered(gateway: Gateway, row: _Row, port: int) -> str:
    argv = [sys.executable, "-m", "talaria", "render", row.engine, "--config", str(gateway.config), *row.options]
    argv += ["--listen", f"127.0.0.1:{port}", "--talaria", gateway.peer.url]
    environ = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, capture_output=True, text=True, env=environ, check=False)
    if done.returncode:
        raise DidNotStart(f"talaria render: {done.stderr.strip()}")
    # As many processes and connections as the other engines have here.
    text = done.stdout.replace("worker_processes auto;", "worker_processes 1;\nworker_rlimit_nofile 16384;")
    text = text.replace("server_tokens off;", "server_tokens off; keepalive_requests 1000000000;")
    return text.replace("keepalive 64;", "keepalive 256; keepalive_requests 1000000000;")


def _envoy_alone(testbed: Testbed) -> Peer:
    """What one would build of Envoy instead: it verifies tokens and sets a header, and exchanges nothing."""
    (port,) = free_ports(1)
    values = {"ISSUER": caller_tokens.ISSUER, "AUDIENCE": caller_tokens.AUDIENCE, "JWKS": testbed.callers.jwks}
    file = fill("envoy-jwt.yaml", testbed.folder / "envoy-jwt.yaml", PORT=port, ORIGIN=testbed.origin_port, **values)
    program = start("envoy-jwt", _envoy(file), testbed.folder)
    tokens = testbed.callers.tokens(0, PERSONS)
    return _ready(
        testbed, Peer("envoy jwt_authn", "checks tokens, injects", f"http://127.0.0.1:{port}", program, tokens)
    )


def _ready(testbed: Testbed, peer: Peer) -> Peer:
    testbed.programs.append(peer.program)
    token = testbed.callers.token(caller_tokens.person_id(0))
    peer.program.wait_until(peer.url + "/", headers={"authorization": f"Bearer {token}", "x-api-tag": "wind"})
    return peer


def _and_gateway(engine: Program, gateway: Gateway) -> Program:
    return _WithGateway(engine.name, engine.process, engine.log, gateway.program)
