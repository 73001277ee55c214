"""What each engine makes of each answer that a decision can be, and of what is none: never a yes that was not said."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from talaria.entrypoints.public.problems import ROWS
from tests.integration.gateway.support_client import ask
from tests.integration.gateway.support_gateway import Process
from tests.integration.gateway.support_raw import Head, Line
from tests.integration.gateway.support_services import Fault, Service, answer, close, hang, reset
from tests.real.support_edge_town import Client, EdgeTown, edge_town
from tests.real.support_edges import EDGES, edge_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Decider(Service):
    """Asked in the gateway's place. Without a fault it answers `decision`; `/refusals/` is always the gateway's own."""

    def __init__(self, gateway: Process) -> None:
        super().__init__()
        self.gateway = gateway
        self.decision = b""

    async def respond(self, head: Head, line: Line) -> None:
        """The bytes of the decision, once the gate is open."""
        await self.gate.wait()
        await line.send(self.decision)

    async def _serve(self, head: Head, line: Line) -> None:
        target = head.first.split(b" ")[1].decode()
        if not target.startswith("/refusals/"):
            return await super()._serve(head, line)
        got = await ask(self.gateway.decisions, f"GET {target} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        lines = [f"{name.decode()}: {value.decode()}" for name, value in got.head.lines if name != b"content-length"]
        return await line.send(answer(got.status, got.body, *lines))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[EdgeTown, Process]]:
    """One gateway for all engines."""
    async with edge_town(tmp_path_factory.mktemp("town")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=EDGES)
async def asked(
    request: pytest.FixtureRequest, town: tuple[EdgeTown, Process], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Client, Decider]]:
    """A client of each engine in turn, and what the engine asks."""
    services, gateway = town
    decider = Decider(gateway)
    async with decider.server.listening():
        options = ("--mode", "edge", "--decisions", decider.url)
        config, folder = services.folder / "talaria.toml", tmp_path_factory.mktemp(request.param)
        async with edge_of(request.param, config, folder, [gateway.url], *options) as edge:
            yield Client(edge, services, gateway), decider


def refusal(reason: str, *lines: str) -> bytes:
    """A decision that says no for this reason."""
    status = ROWS[reason].status
    problem = json.dumps({"reason": reason, "status": status, "request_id": "r-1"}).encode()
    own = ("content-type: application/problem+json", "cache-control: no-store", f"x-talaria-reason: {reason}")
    return answer(status, problem, *own, "x-request-id: r-1", *lines)


YES = answer(
    200,
    b"",
    "authorization: Bearer of.the.service",
    "x-wind-user-id: wind-user-1",
    "x-api-tag: wind",
    "x-request-id: r-1",
    "cache-control: no-store",
)


async def test_a_decision_that_takes_its_time_is_waited_for(asked: tuple[Client, Decider]) -> None:
    client, decider = asked
    decider.decision = YES
    decider.server.heads.clear()
    decider.gate.clear()
    waiting = asyncio.create_task(client.ask("/v1/a", "x-request-id: r-1"))
    await decider.server.until(lambda: bool(decider.server.heads))
    asyncio.get_running_loop().call_later(0.6, decider.gate.set)  # longer than the 200 ms that Envoy waits by itself
    got, upstream = await waiting
    assert got.status == 200
    assert upstream is not None
    assert upstream.one("authorization") == "Bearer of.the.service"


@pytest.mark.parametrize(
    ("reason", "header"),
    [
        ("bad-request", ""),
        ("invalid-token", 'www-authenticate: Bearer error="invalid_token"'),
        ("partner-user-unknown", ""),
        ("unknown-api-tag", ""),
        ("method-not-allowed", "allow: POST"),
        ("rate-limited", "retry-after: 7"),
        ("internal-error", ""),
        ("partner-bad-answer", ""),
        ("partner-overloaded", "retry-after: 3"),
        ("partner-timeout", ""),
    ],
)
async def test_a_no_is_the_clients_answer(asked: tuple[Client, Decider], reason: str, header: str) -> None:
    client, decider = asked
    decider.decision = refusal(reason, *([header] if header else []))
    status = ROWS[reason].status
    got, upstream = await client.ask("/v1/a", "x-request-id: r-1")
    if client.edge.engine == "envoy" and status >= 500:  # it keeps nothing of such a decision
        status, reason, header = 503, "decision-failed", ""
    assert upstream is None
    assert (got.status, got.json()["reason"], got.json()["request_id"]) == (status, reason, "r-1")
    assert (got.head.one("cache-control"), got.head.one("x-request-id")) == ("no-store", "r-1")
    name, _, value = header.partition(": ")
    assert not name or got.head.one(name) == value
    refused, body, unasked = await client.upgraded(b"x")
    assert (refused.status, body, unasked) == (status, b"", None)


NO_ANSWERS: dict[str, Fault] = {
    "closed": close,
    "reset": reset,
    "no HTTP": b"\x16\x03\x01 this is no HTTP\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nx-wind-user-id: wind-us",
    "redirect": answer(302, b"", "location: http://127.0.0.1:1/"),
    "unknown reason": answer(500, b"x", "x-talaria-reason: ../decide"),
    "no reason": answer(418, b""),
    "unknown status": answer(999, b""),
}


@pytest.mark.parametrize("name", NO_ANSWERS)
async def test_what_is_no_decision_is_no_yes(asked: tuple[Client, Decider], name: str) -> None:
    client, decider = asked
    decider.fault = NO_ANSWERS[name]
    try:
        got, upstream = await client.ask()
        refused, _, unasked = await client.upgraded(b"x")
    finally:
        decider.fault = None
    assert (upstream, unasked) == (None, None)
    assert got.status >= 300
    assert refused.status >= 300


async def test_a_silent_decider_is_no_yes(asked: tuple[Client, Decider]) -> None:
    client, decider = asked
    decider.fault = hang
    try:
        got, upstream = await client.ask()
    finally:
        decider.fault = None
    assert (got.status in (500, 502, 503, 504), upstream) == (True, None)
    assert got.json()["reason"] == "decision-failed"
