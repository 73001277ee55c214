"""The other proxies: how each is started, one worker and one thread each, on its own port of loopback."""

import base64
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import caller_tokens
from bench.procs import DidNotStart, Program, free_ports, start
from bench.testbed import ROOT, TEMPLATES, Missing, Testbed, fill, which

VENV = ROOT / ".venv-bench" / "bin"
MODULES = [Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/etc/nginx/modules")]
PERSONS = 1000


@dataclass(slots=True)
class Peer:
    """A proxy that runs. `tokens` are sent to it where it checks them."""

    name: str
    does: str
    url: str
    program: Program
    tokens: Path | None = None
    connections: int = 32


Starting = Callable[[Testbed, int], Program]


@dataclass(frozen=True, slots=True)
class Kind:
    """A proxy that can be started."""

    name: str
    does: str
    start: Starting
    checks_tokens: bool = False
    connections: int = 32


def _nginx(testbed: Testbed, port: int) -> Program:
    conf = testbed.folder / "nginx.conf"
    fill("nginx.conf", conf, FOLDER=testbed.folder, PORT=port, ORIGIN=testbed.origin_port, SINK=testbed.sink_port)
    return start("nginx", [which("nginx"), "-e", "stderr", "-c", str(conf)], testbed.folder)


def _haproxy(testbed: Testbed, port: int) -> Program:
    conf = fill("haproxy.cfg", testbed.folder / "haproxy.cfg", PORT=port, ORIGIN=testbed.origin_port)
    return start("haproxy", [which("haproxy"), "-db", "-f", str(conf)], testbed.folder)


def _envoy(testbed: Testbed, port: int) -> Program:
    conf = fill("envoy.yaml", testbed.folder / "envoy.yaml", PORT=port, ORIGIN=testbed.origin_port)
    argv = [of_venv("envoy"), "-c", str(conf), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    return start("envoy", argv, testbed.folder)


def _caddy(testbed: Testbed, port: int) -> Program:
    conf = fill("Caddyfile", testbed.folder / "Caddyfile", PORT=port, ORIGIN=testbed.origin_port)
    argv = [of_venv("caddy"), "run", "--config", str(conf), "--adapter", "caddyfile"]
    home = {"GOMAXPROCS": "1", "HOME": str(testbed.folder), "XDG_DATA_HOME": str(testbed.folder)}
    return start("caddy", argv, testbed.folder, home)


def _njs(testbed: Testbed, port: int) -> Program:
    module = next((path for folder in MODULES if (path := folder / "ngx_http_js_module.so").exists()), None)
    if module is None:
        raise Missing("the njs module of nginx is not installed")
    folder = testbed.folder
    fill("njs.js", folder / "njs.js")
    der = base64.b64decode("".join(testbed.callers.public_pem.read_text().splitlines()[1:-1]))
    keys = {
        "issuer": caller_tokens.ISSUER,
        "audience": caller_tokens.AUDIENCE,
        "spki": base64.urlsafe_b64encode(der).decode(),
    }
    (folder / "njs-keys.json").write_text(json.dumps(keys))
    users = {caller_tokens.person_id(number): caller_tokens.user_id(number) for number in range(PERSONS)}
    (folder / "users.json").write_text(json.dumps(users))
    values = {"MODULE": module, "FOLDER": folder, "PORT": port, "ORIGIN": testbed.origin_port}
    conf = fill("njs.conf", folder / "njs.conf", INNER=free_ports(1)[0], **values)
    return start("njs", [which("nginx"), "-e", "stderr", "-c", str(conf)], folder)


def _fastify(name: str, *, verifies: bool) -> Starting:
    def run(testbed: Testbed, port: int) -> Program:
        if not (TEMPLATES.parent / "node_modules" / "fastify").exists():
            raise Missing("the packages of bench/package.json are not installed")
        argv = [which("node"), str(TEMPLATES / "fastify.mjs"), str(port), testbed.origin]
        argv += [str(testbed.callers.public_pem)] if verifies else []
        return start(name, argv, testbed.folder)

    return run


def _uvicorn(module: str) -> Starting:
    def run(testbed: Testbed, port: int) -> Program:
        argv = [of_venv("uvicorn"), f"{module}:app", "--app-dir", str(TEMPLATES), "--port", str(port)]
        argv += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"]
        return start(module, argv, testbed.folder, {"BENCH_ORIGIN": testbed.origin})

    return run


KINDS = [
    Kind("nginx", "forwards", _nginx),
    Kind("haproxy", "forwards", _haproxy),
    Kind("envoy", "forwards", _envoy),
    Kind("caddy", "forwards", _caddy),
    Kind("nginx+njs", "checks tokens, injects", _njs, checks_tokens=True),
    Kind("fastify", "forwards", _fastify("fastify", verifies=False)),
    Kind("fastify+jwt", "checks tokens", _fastify("fastify-jwt", verifies=True), checks_tokens=True),
    # Over 32 connections it answers no request within a round: it makes an HTTP client for each request.
    Kind("asgi-proxy-lib", "forwards", _uvicorn("asgi_proxy_app"), connections=4),
    Kind("fastapi-proxy-lib", "forwards", _uvicorn("fastapi_proxy_app")),
]


def start_peer(testbed: Testbed, kind: Kind) -> Peer:
    """Starts one and waits until it answers. Raises Missing or DidNotStart."""
    (port,) = free_ports(1)
    program = kind.start(testbed, port)
    testbed.programs.append(program)
    url = f"http://127.0.0.1:{port}"
    tokens = testbed.callers.tokens(0, PERSONS) if kind.checks_tokens else None
    headers = {"authorization": f"Bearer {testbed.callers.token(caller_tokens.person_id(0))}"} if tokens else {}
    program.wait_until(url + "/", headers=headers)
    return Peer(kind.name, kind.does, url, program, tokens, kind.connections)


def start_all(testbed: Testbed, wanted: set[str] | None = None) -> tuple[list[Peer], list[str]]:
    """The peers that could be started, and for each of the others a sentence that says why not."""
    peers, skipped = [], []
    for kind in KINDS:
        if wanted is not None and kind.name not in wanted:
            continue
        try:
            peers.append(start_peer(testbed, kind))
        except (Missing, DidNotStart) as error:
            skipped.append(f"{kind.name} is skipped: {error}")
    return peers, skipped


@contextmanager
def one(testbed: Testbed, name: str) -> Iterator[Peer]:
    """One peer, ended afterwards."""
    peer = start_peer(testbed, next(kind for kind in KINDS if kind.name == name))
    try:
        yield peer
    finally:
        peer.program.stop()


def versions() -> dict[str, str]:
    """What says its version, for the record."""
    found = {}
    for name, argv in {
        "nginx": ["nginx", "-v"],
        "haproxy": ["haproxy", "-v"],
        "wrk": ["wrk", "-v"],
        "node": ["node", "--version"],
        "envoy": [str(VENV / "envoy"), "--version"],
        "caddy": [str(VENV / "caddy"), "version"],
    }.items():
        try:
            program = argv[0] if "/" in argv[0] else which(argv[0])
            said = subprocess.run([program, *argv[1:]], capture_output=True, text=True, timeout=20, check=False)
        except (Missing, OSError, subprocess.TimeoutExpired):
            continue
        number = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
        found[name] = number.group() if number else "?"
    return found


def of_venv(name: str) -> str:
    """A program of .venv-bench. Raises Missing."""
    path = VENV / name
    if not path.exists():
        raise Missing(f"{name} is not in .venv-bench")
    return str(path)
