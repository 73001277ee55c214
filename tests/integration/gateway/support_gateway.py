"""The gateway among simulated services: its files, its callers' tokens, and what it printed."""

import asyncio
import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dependency_injector import providers

from talaria.adapters.telemetry.recorder import EventBus
from talaria.domain.events import RequestForwarded
from talaria.entrypoints.config import Settings, load
from talaria.entrypoints.runtime import factories
from talaria.entrypoints.runtime import process as serve
from talaria.entrypoints.runtime.container import Container
from talaria.entrypoints.runtime.gateway_server import GatewayServer
from talaria.sandbox.toml_writer import dumps, merged
from tests.integration.gateway.support_client import Client, Got, ask, connected, request
from tests.integration.gateway.support_raw import SECONDS
from tests.integration.gateway.support_services import (
    PERSONAL_TOKEN,
    SERVICES_API_KEY,
    WIND_API_KEY,
    KeyServer,
    Personal,
    Service,
    Upstream,
    Wind,
)
from tests.support_paths import fast_path
from tests.support_waiting import PATIENT

ISSUER = "https://id.app.example"
Tree = dict[str, Any]
AnyTown = TypeVar("AnyTown", bound="Town")


def pem_of(key: Any) -> bytes:
    """A private key as a file holds it."""
    form = serialization.PrivateFormat.PKCS8
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem


def public_pem_of(key: Any) -> bytes:
    """Its public key as a file holds it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return pem


def jwk_of(key: Any, kid: str, algorithm: str = "ES256") -> dict[str, object]:
    """Its public key as a key set holds it."""
    jwk: dict[str, object] = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": kid, "alg": algorithm, "use": "sig"}


def write_key(path: Path, key: Any) -> None:
    """For the owner's eyes only."""
    path.write_bytes(pem_of(key))
    path.chmod(0o600)


class Town:
    """The four services, and the files of a gateway among them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.personal, self.wind, self.upstream, self.issuer = Personal(), Wind(), Upstream(), KeyServer()
        self.caller_key = ec.generate_private_key(ec.SECP256R1())
        self.signing_key = ec.generate_private_key(ec.SECP256R1())
        self.issuer.keys = [jwk_of(self.caller_key, "app-1")]
        self._persons = 0

    @property
    def services(self) -> list[Service]:
        """All of them."""
        return [self.personal, self.wind, self.upstream, self.issuer]

    def person(self, user_id: str | tuple[int, str] | None = None) -> str:
        """A new person's id; wind knows them by `user_id`, or meets them with this status and code."""
        self._persons += 1
        person, phone = f"ppid-{self._persons:05}-{uuid.uuid4().hex[:8]}", f"+99955{self._persons:07}"
        self.personal.phones[person] = phone
        self.wind.users[phone] = user_id or f"wind-user-{self._persons}"
        return person

    def claims(self, person: str, **claims: Any) -> Tree:
        """What a good token says; `claims` are laid over it, and taken away where they are None."""
        now = int(time.time())
        good = {"iss": ISSUER, "aud": "talaria-proxy", "iat": now, "exp": now + 600, "personal_phone_id": person}
        return {name: value for name, value in {**good, **claims}.items() if value is not None}

    def token(self, person: str | None = None, **claims: Any) -> str:
        """A good token, of a new person where none is named."""
        claims = self.claims(person or self.person(), **claims)
        return jwt.encode(claims, self.caller_key, "ES256", headers={"kid": "app-1"})

    def configure(self, changes: Mapping[str, Any] | None = None) -> Path:
        """Write the configuration and everything it names."""
        write_key(self.folder / "signing.pem", self.signing_key)
        for name, secret in (("personal", PERSONAL_TOKEN), ("wind", WIND_API_KEY), ("services", SERVICES_API_KEY)):
            (self.folder / name).write_text(f"{secret}\n")
            (self.folder / name).chmod(0o600)
        path = self.folder / "talaria.toml"
        path.write_text(dumps(merged(merged(PATIENT, self._tree()), changes or {})))
        return path

    def _tree(self) -> Tree:
        return {
            "server": {
                "listen": "127.0.0.1:0",
                "ops_listen": "127.0.0.1:0",
                "drain_timeout": "5s",
                "fast_path": fast_path(),
            },
            "callers": {"app": {"issuer": ISSUER, "algorithms": ["ES256"], "jwks_url": f"{self.issuer.url}/jwks"}},
            "signing": {"keys": [{"kid": "2026-11", "file": "signing.pem"}]},
            "personal": {"url": self.personal.url, "token": {"file": "personal"}},
            "partners": {"wind": {"url": self.wind.url, "api_key": {"file": "wind"}}},
            "upstreams": {"talaria-services": {"urls": [self.upstream.url], "api_key": {"file": "services"}}},
            "routes": {"wind": {"partner": "wind", "upstream": "talaria-services"}},
        }


_BEFORE = "asked-before"
PATHS = ["fast path off", "fast path on", "asked before"]
"""How a request may go: by the slow path, by either, or by the fast one wherever it is plain."""


class PathsRecorder:
    """The port `Recorder`, handing everything on. `fast`: the requests that took the fast path to their end."""

    def __init__(self, bus: EventBus) -> None:
        self.fast = 0
        self.record, self.flush, self._record_soon = bus.record, bus.flush, bus.record_soon

    def record_soon(self, event: RequestForwarded) -> None:
        self.fast += not event.edge
        self._record_soon(event)


class Gateway:
    """A running gateway. `printed`: the file that its lines go to. `decisions`: where edges ask, if they may."""

    def __init__(self, url: str, ops: str, printed: Path, town: Town, decisions: str = "") -> None:
        self.url, self.ops, self.printed, self.town, self.decisions = url, ops, printed, town, decisions

    asks_before = False
    recorder: PathsRecorder
    """Of one in this event loop: which path its requests took."""

    async def ask(self, target: str = "/v1/scooters", *lines: str, **more: Any) -> Got:
        """One request with a good token, on a connection of its own. With `asks_before` the person has asked before, so
        that what is plain takes the fast path.
        """
        token = more.pop("token", None) or self.town.token()
        if self.asks_before:
            upstream = self.town.upstream
            faults, upstream.faults = upstream.faults, []
            await ask(self.url, request(token, "/before", f"x-request-id: {_BEFORE}"))
            upstream.faults = faults
            upstream.seen.clear()
        return await ask(self.url, request(token, target, *lines, **more))

    def connected(self) -> "contextlib.AbstractAsyncContextManager[Client]":
        """A connection."""
        return connected(self.url)

    async def operators(self, target: str, method: str = "GET") -> Got:
        """One request to the operators' listener."""
        return await ask(self.ops, f"{method} {target} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n".encode())

    def lines(self, event: str = "request") -> list[Tree]:
        """What was printed of this kind so far."""
        lines = [json.loads(line) for line in self.printed.read_text().splitlines(keepends=True) if line[-1] == "\n"]
        return [line for line in lines if line["event"] == event and line.get("request_id") != _BEFORE]

    async def line(self, wanted: Callable[[Tree], bool]) -> Tree:
        """The first access line that `wanted` is true of, waiting for it."""
        async with asyncio.timeout(SECONDS):
            while True:
                for line in self.lines():
                    if wanted(line):
                        return line
                await asyncio.sleep(0.01)  # a file does not announce that it has grown


@contextlib.asynccontextmanager
async def opened(town: AnyTown) -> AsyncIterator[AnyTown]:
    """The services of a town, running. What they could not bear of the gateway fails the test."""
    async with contextlib.AsyncExitStack() as running:
        for service in town.services:
            await running.enter_async_context(service.server.listening())
        yield town
    failures = [failure for service in town.services for failure in service.server.failures]
    assert not failures, failures


def town_at(folder: Path) -> contextlib.AbstractAsyncContextManager[Town]:
    """A new town, running."""
    return opened(Town(folder))


@contextlib.asynccontextmanager
async def gateway_in(
    town: Town, changes: Mapping[str, Any] | None = None, swap: Callable[[Container], None] | None = None
) -> AsyncIterator[Gateway]:
    """A gateway in this event loop. `swap` may override parts of its container."""
    settings: Settings = load(town.configure(changes), environ={})
    container = Container(settings=settings)
    if swap is not None:
        swap(container)
    process = container.process
    bus = providers.Singleton(
        factories.recorder, process.metrics, process.access_log, process.failure_log, process.spans
    )
    process.recorder.override(providers.Singleton(PathsRecorder, bus))
    path = town.folder / f"{uuid.uuid4().hex}.jsonl"
    with path.open("wb") as printed:
        running: GatewayServer = await serve.start(settings, container=container, access_descriptor=printed.fileno())
        try:
            gateway = Gateway(running.public_url, running.ops_url, path, town, running.decision_url)
            gateway.recorder = process.recorder()
            yield gateway
        finally:
            await running.stop()


class Process(Gateway):
    """`talaria serve` as a process of its own."""

    process: asyncio.subprocess.Process

    @property
    def resident(self) -> int:
        """Bytes of memory that are in use."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    async def ended(self, seconds: float = SECONDS) -> int:
        """Its exit code."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def process_of(town: Town, config: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """`talaria serve --config F`, once it serves."""
    path = town.folder / f"{uuid.uuid4().hex}.jsonl"
    with path.open("wb") as printed:
        arguments = ["-m", "talaria", "serve", "--config", str(config)]
        env = {**os.environ, **(environ or {})}
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=printed, stderr=printed, env=env
        )
    try:
        gateway = Process("", "", path, town)
        gateway.process = process
        async with asyncio.timeout(SECONDS):
            while not (serving := gateway.lines("serving")):
                assert process.returncode is None, path.read_text()
                await asyncio.sleep(0.02)  # a file does not announce that it has grown
        gateway.url, gateway.ops = serving[0]["public"], serving[0].get("ops", "")
        gateway.decisions = serving[0].get("decisions", "")
        yield gateway
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
