"""The sandbox with a relay in front of each dependency, and a client that notes what it saw."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from talaria.entrypoints.config import Settings
from talaria.entrypoints.runtime.container import Container
from talaria.sandbox.folder import secret_setting
from talaria.sandbox.stack import Sandbox, running_sandbox
from talaria.sandbox.toml_writer import merged
from tests.integration.faults.support_relay import Relay, relay
from tests.support_paths import fast_path
from tests.support_waiting import PATIENCE, PATIENT

PATH = "/v1/scooters/nearby"
DEPENDENCIES = ("personal", "wind", "talaria-services", "issuer")
CALM = "calm"
"""The tag of a second route, which the failures must not touch: it has a relay of its own to the same service."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client saw of one request. `reason` is empty for an answer of the upstream; `status` 0: cut off."""

    status: int
    reason: str
    seconds: float
    retry_after: str = ""
    request_id: str = ""
    user_id: str = ""

    @property
    def outcome(self) -> tuple[int, str]:
        """The pair that the tables name."""
        return self.status, self.reason


class MovableClock:
    """The port `Clock`: real time, and whatever a test adds to it so as not to wait."""

    def __init__(self) -> None:
        self._added = 0.0

    def now(self) -> float:
        return time.monotonic() + self._added

    def move(self, seconds: float) -> None:
        """So much time goes by."""
        self._added += seconds


@dataclass
class Harness:
    """A running sandbox; `relays` by dependency. `clock` is what breakers and kept pairs go by."""

    sandbox: Sandbox
    relays: Mapping[str, Relay]
    client: httpx.AsyncClient = field(repr=False)
    clock: MovableClock

    async def get(self, person: str, *, tag: str = "wind", method: str = "GET", **headers: str) -> Seen:
        """One request of this person."""
        return await self.ask(method, PATH, {**self.sandbox.headers(person, tag), **headers})

    async def ask(self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None) -> Seen:
        """One request, and what came of it."""
        began = time.perf_counter()
        try:
            url = self.sandbox.public_url + path
            answer = await self.client.request(method, url, headers=dict(headers), content=content)
        except httpx.TransportError:
            return Seen(0, "", time.perf_counter() - began)
        seconds = time.perf_counter() - began
        body = _json(answer)
        return Seen(
            answer.status_code,
            str(body.get("reason", "")),
            seconds,
            answer.headers.get("retry-after", ""),
            answer.headers.get("x-request-id", ""),
            str(body.get("user_id", "")),
        )

    async def ops(self, path: str) -> httpx.Response:
        """A page of the operators' listener."""
        return await self.client.get(self.sandbox.ops_url + path)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name with these labels."""
        lines = (await self.ops("/metrics")).text.splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        samples = (line for line in lines if line.startswith((name + "{", name + " ")))
        return sum(float(line.rpartition(" ")[2]) for line in samples if all(pair in line for pair in wanted))


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def hop_timeout(dependency: str, timeout: str) -> dict[str, Any]:
    """The configuration in which this hop, personal or wind, takes no longer."""
    hop = {"timeout": timeout}
    return {"personal": hop} if dependency == "personal" else {"partners": {dependency: hop}}


def _behind(relays: Mapping[str, Relay]) -> dict[str, Any]:
    calm = {
        "urls": [relays[CALM].url],
        "connect_timeout": PATIENCE,
        "audience": "talaria-services",
        "api_key": secret_setting("talaria-services-api-key"),
    }
    return {
        "server": {"fast_path": fast_path()},
        "callers": {"app": {"jwks_url": f"{relays['issuer'].url}/.well-known/jwks.json"}},
        "personal": {"url": relays["personal"].url},
        "partners": {"wind": {"url": relays["wind"].url}},
        "upstreams": {"talaria-services": {"urls": [relays["talaria-services"].url]}, CALM: calm},
        "routes": {CALM: {"partner": "wind", "upstream": CALM, "timeout": PATIENCE}},
    }


@asynccontextmanager
async def harness(config: Mapping[str, Any] | None = None) -> AsyncIterator[Harness]:
    """A sandbox behind relays. `config` is laid over its configuration; access lines go nowhere."""
    async with AsyncExitStack() as stack:
        relays = {name: await stack.enter_async_context(relay()) for name in (*DEPENDENCIES, CALM)}
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        changes = merged(merged(PATIENT, _behind(relays)), config or {})
        clock = MovableClock()

        def make_container(settings: Settings) -> Container:
            container = Container(settings=settings)
            container.process.clock.override(clock)
            return container

        sandbox = await stack.enter_async_context(
            running_sandbox(config=changes, access_descriptor=nowhere, make_container=make_container)
        )
        for name, service in zip(DEPENDENCIES, sandbox.services, strict=True):
            relays[name].target = service.url
        relays[CALM].target = sandbox.talaria_services.url
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        client = httpx.AsyncClient(trust_env=False, timeout=20, limits=limits)
        yield Harness(sandbox, relays, await stack.enter_async_context(client), clock)


@asynccontextmanager
async def steady_load(harness: Harness, person: str, tag: str, every: float = 0.02) -> AsyncIterator[list[Seen]]:
    """This person's requests, one each `every` seconds, while the block runs; the list holds what came of them."""
    seen: list[Seen] = []

    async def load() -> None:
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                group.create_task(one())
                await asyncio.sleep(every)  # the rate of the load

    async def one() -> None:
        seen.append(await harness.get(person, tag=tag))

    stop = asyncio.Event()
    loading = asyncio.create_task(load())
    try:
        yield seen
    finally:
        stop.set()
        await loading
