"""The gateway as a peer: `talaria serve` with the benchmark's keys, simulators and origin.

Its access lines stay on and go to a file in the benchmark's folder, which is in memory.
"""

import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from bench import caller_tokens, load
from bench.peers import PERSONS, Peer
from bench.procs import Program, free_ports, start
from bench.testbed import ROOT, Testbed

SETTINGS = """\
[server]
listen = "127.0.0.1:{port}"
ops_listen = "127.0.0.1:{ops_port}"
workers = {workers}
body_limit = "0"
max_in_flight = {max_in_flight}
fast_path = {fast_path}
trusted_proxies = [{trusted}]
{server}
[callers.app]
issuer = "{issuer}"
audience = "{audience}"
algorithms = ["ES256"]
jwks_file = "caller.jwks.json"

[signing]
keys = [{{ kid = "bench", file = "signing.pem" }}]

[personal]
url = "http://127.0.0.1:{personal_port}"

[partners.wind]
url = "http://127.0.0.1:{wind_port}"
api_key = {{ file = "wind.key" }}

[identities]
max_entries = {max_entries}
max_age = "1h"

[upstreams.talaria-services]
urls = ["{origin}"]
max_connections = {max_connections}
api_key = {{ file = "services.key" }}

[routes.wind]
partner = "wind"
upstream = "talaria-services"
"""
SINK = """
[upstreams.sink]
urls = ["{sink}"]
api_key = {{ file = "services.key" }}

[routes.sink]
partner = "wind"
upstream = "sink"
"""
DECISIONS = """\
decision_listen = "127.0.0.1:{port}"
trusted_edges = ["127.0.0.0/8"]
"""
ROUTE = """
[routes.wind{number}]
partner = "wind"
upstream = "talaria-services"
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs from one gateway of a curve to the next. `filled`: so many persons are put into its cache.
    `decisions`: how long an edge may keep one; empty without a decision listener. `fast_path`: may requests take it?
    `sink`: has the route for uploads. `trusted`: the address of a proxy in front of it; empty for none.
    """

    routes: int = 1
    workers: int = 1
    max_entries: int = 100_000
    max_in_flight: int = 1024
    max_connections: int = 256
    filled: int = 0
    decisions: str = ""
    fast_path: bool = True
    sink: bool = True
    trusted: str = ""


STANDARD = Shape()
SLOW = Shape(fast_path=False)


@dataclass(slots=True)
class Gateway:
    """A gateway that runs."""

    peer: Peer
    ops: str
    lines: Path
    config: Path
    decisions: str = ""

    @property
    def program(self) -> Program:
        """Its processes."""
        return self.peer.program

    def metric(self, name: str) -> float:
        """The sum over all labels of one of its metrics."""
        with urllib.request.urlopen(f"{self.ops}/metrics", timeout=20) as answer:  # noqa: S310
            text = answer.read().decode()
        lines = [line for line in text.splitlines() if line.startswith((name + " ", name + "{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def entries(self) -> float:
        """How many persons its workers have cached."""
        return self.metric("talaria_identity_cache_entries")

    def warm(self, tokens: Path | None = None, routes: int = 1) -> None:
        """Every person of the tokens once or more, until a pass finds none that was not cached. Raises LoadFailed.

        A cold start may refuse a request for want of time; only the pass that finds all of them cached must not.
        """
        options: dict[str, load.Option] = {"tokens": tokens or self.peer.tokens or "", "tags": routes}
        for _ in range(10):
            before = self.entries()
            run = load.run(self.peer.url + "/", 2, 32, options, allow_broken=True)
            if self.entries() == before and not run.refused and not run.broken:
                return
        raise load.LoadFailed("the gateway did not get warm")


def start_gateway(
    testbed: Testbed,
    shape: Shape = STANDARD,
    name: str = "gateway",
    step: int = 1,
    under: Sequence[str] = (),
    seconds: float = 60.0,
) -> Gateway:
    """Starts one and waits until it is ready, for so many seconds. `step`: its tokens are of every so manyth person.
    `under`: a command that runs it.

    Raises DidNotStart.
    """
    port, ops_port, decision_port = free_ports(3)
    folder = testbed.folder / f"{name}-{port}"
    folder.mkdir()
    config = _settings(testbed, shape, folder, port, ops_port, decision_port)
    lines = folder / "access.log"
    module = ["bench.prefilled", str(shape.filled)] if shape.filled else ["talaria"]
    argv = [*under, sys.executable, "-m", *module, "serve", "--config", str(config)]
    program = start(name, argv, folder, {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}, stdout=lines)
    testbed.programs.append(program)
    program.wait_until(f"http://127.0.0.1:{ops_port}/readyz", seconds=seconds)
    tokens = testbed.callers.tokens(0, PERSONS, step)
    does = "the whole job" if shape.workers == 1 else f"the whole job, {shape.workers} workers"
    peer = Peer(name, does, f"http://127.0.0.1:{port}", program, tokens)
    return Gateway(peer, f"http://127.0.0.1:{ops_port}", lines, config, f"http://127.0.0.1:{decision_port}")


@contextmanager
def running(testbed: Testbed, shape: Shape = STANDARD, name: str = "gateway") -> Iterator[Gateway]:
    """A warm gateway, ended afterwards."""
    gateway = start_gateway(testbed, shape, name)
    try:
        gateway.warm(routes=shape.routes)
        yield gateway
    finally:
        gateway.program.stop()


def _settings(testbed: Testbed, shape: Shape, folder: Path, port: int, ops_port: int, decision_port: int) -> Path:
    signing = folder / "signing.pem"
    signing.touch(0o600)
    signing.write_bytes(caller_tokens.private_pem(ec.generate_private_key(ec.SECP256R1())))
    for name in ("wind.key", "services.key"):
        (folder / name).write_text(f"bench-{name}\n")
    (folder / "caller.jwks.json").write_bytes(testbed.callers.jwks.read_bytes())
    text = SETTINGS.format(
        port=port,
        ops_port=ops_port,
        workers=shape.workers,
        server=DECISIONS.format(port=decision_port) if shape.decisions else "",
        issuer=caller_tokens.ISSUER,
        audience=caller_tokens.AUDIENCE,
        personal_port=testbed.personal_port,
        wind_port=testbed.wind_port,
        max_entries=shape.max_entries,
        max_in_flight=shape.max_in_flight,
        fast_path=str(shape.fast_path).lower(),
        trusted=f'"{shape.trusted}"' if shape.trusted else "",
        max_connections=shape.max_connections,
        origin=testbed.origin,
    )
    if shape.sink:
        text += SINK.format(sink=testbed.sink)
    if shape.decisions:
        text += f'[decision]\nmax_age = "{shape.decisions}"\n'
    text += "".join(ROUTE.format(number=number) for number in range(1, shape.routes))
    config = folder / "talaria.toml"
    config.write_text(text)
    return config
