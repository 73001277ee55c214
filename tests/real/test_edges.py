"""nginx, Envoy, Caddy and HAProxy forward, and a real gateway decides: what the upstream and the client get."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import jwt
import pytest
import pytest_asyncio

from talaria.domain.headers import canonical_name
from tests.integration.gateway.support_client import Got, connected, request
from tests.integration.gateway.support_gateway import Process
from tests.integration.gateway.support_raw import Head
from tests.real.support_edge_town import JOBS_KEY, Client, EdgeTown, edge_town
from tests.real.support_edges import EDGES, edge_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDENTITY = ("x-wind-user-id", "authorization", "x-api-key", "x-api-tag", "x-request-id")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[EdgeTown, Process]]:
    """One gateway for all engines."""
    async with edge_town(tmp_path_factory.mktemp("town")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=EDGES)
async def client(
    request: pytest.FixtureRequest,
    town: tuple[EdgeTown, Process],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Client]:
    """A client of each engine in turn."""
    services, gateway = town
    folder = tmp_path_factory.mktemp(request.param)
    options = ("--mode", "edge", "--decisions", gateway.decisions)
    async with edge_of(request.param, services.folder / "talaria.toml", folder, [gateway.url], *options) as edge:
        yield Client(edge, services, gateway)


def user_of(upstream: Head) -> str:
    """The user that the upstream is told of: by one header, whatever its spelling, and by the service token alike."""
    (name,) = [name for name, _ in upstream.lines if canonical_name(name) == b"xwinduserid"]
    assert name.lower() == b"x-wind-user-id"
    token = upstream.one("authorization").removeprefix("Bearer ")
    user = upstream.one("x-wind-user-id")
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == user
    return user


def check_refused(got: Got, upstream: Head | None, status: int, reason: str, *, bodyless: bool = False) -> None:
    """A refusal, and an upstream that was not asked."""
    assert upstream is None
    assert (got.status, got.head.one("cache-control")) == (status, "no-store")
    if not bodyless:
        assert got.head.one("content-type") == "application/problem+json"
        problem = json.loads(got.body)
        assert (problem["reason"], problem["status"]) == (reason, status)
        assert problem["request_id"] == "".join(got.head.all("x-request-id"))


async def test_what_the_upstream_gets(client: Client) -> None:
    person = client.town.person("wind-user-anna")
    token = client.town.token(person)
    got, upstream = await client.ask(
        "/v1/a?b=%c3%A9&c", "accept: text/x", "x-request-id: r-1", "Cookie: a=1", token=token
    )
    assert (got.status, got.head.one("x-request-id")) == (200, "r-1")
    assert upstream is not None
    assert upstream.first == b"GET /v1/a?b=%c3%A9&c HTTP/1.1"
    assert user_of(upstream) == "wind-user-anna"
    assert [upstream.one(name) for name in ("x-api-tag", "x-request-id", "accept", "cookie")] == [
        "wind", "r-1", "text/x", "a=1",
    ]  # fmt: skip
    assert upstream.one("host") == client.town.upstream.url.removeprefix("http://")
    # Envoy calls a client on its own machine by the machine's own address.
    assert upstream.one("x-forwarded-for") == "127.0.0.1" or client.edge.engine == "envoy"
    assert upstream.one("x-forwarded-proto") == "http"
    assert upstream.one("x-forwarded-host") == "door.example"
    assert token not in str(upstream)
    assert not upstream.all("x-forwarded-uri")
    assert "leaked" not in str(got.head)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_method_is_decided_on_and_forwarded(client: Client, method: str) -> None:
    body = b"hello" if method in ("POST", "PUT", "PATCH") else None
    got, upstream = await client.ask("/v1/a", method=method, body=body)
    assert (got.status, bool(got.body)) == (200, method != "HEAD")
    assert upstream is not None
    assert upstream.first.split(b" ")[0].decode() == method
    posts, unasked = await client.ask("/v1/a", method=method, tag="posts", body=body)
    if method == "POST":
        assert posts.status == 200
    else:
        check_refused(posts, unasked, 405, "method-not-allowed", bodyless=method == "HEAD")
        assert posts.head.one("allow") == "POST"


@pytest.mark.parametrize("body", [b"x" * 300_000, [b"chunk"] * 1000])
async def test_a_body_is_forwarded_whole(client: Client, body: bytes | list[bytes]) -> None:
    got, _ = await client.ask("/v1/upload", method="POST", body=body)
    assert got.json()["size"] == len(body if isinstance(body, bytes) else b"".join(body))


async def test_websocket_goes_on_under_the_exchanged_identity(client: Client) -> None:
    token = client.town.token(client.town.person("wind-user-ws"))
    data = bytes(range(256)) * 275
    got, back, upstream = await client.upgraded(data, token=token)
    assert (got.status, back) == (101, data)
    assert upstream is not None
    assert user_of(upstream) == "wind-user-ws"
    refused, _, unasked = await client.upgraded(b"", "x-request-id: ws", token="nonsense")
    assert (refused.status, unasked) == (401, None)


async def test_no_other_protocol_is_offered_on(client: Client) -> None:
    lines = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__")
    got, upstream = await client.ask("/v1/a", *lines)
    assert got.status in (200, 400, 403)
    assert upstream is None or not upstream.all("upgrade")


FORGED = [
    "X-Wind-User-Id: evil", "x-wind-user-id: evil", "x_wind_user_id: evil", "X.Wind.User.Id: evil",
    "x_Wind-User_Id: evil", "x-rider: evil", "x.rider: evil", "x-talaria-identity: evil",
    "x-api-key: evil", "x_api_key: evil", "x_authorization: ok", "proxy-authorization: evil",
    "keep-alive: evil", "proxy-connection: evil", "te: evil", "trailer: evil", "http2-settings: evil",
]  # fmt: skip


async def test_forged_names_never_pass(client: Client) -> None:
    person = client.town.person("wind-user-real")
    got, upstream = await client.ask("/v1/a", *FORGED, token=client.town.token(person))
    assert got.status == 200
    assert upstream is not None
    assert user_of(upstream) == "wind-user-real"
    assert "evil" not in str(upstream)


async def test_forged_names_never_pass_where_there_is_no_person(client: Client) -> None:
    lines = [line for line in FORGED if not line.startswith("x-api-key")]
    for forged in (lines, []):
        got, upstream = await client.ask("/v1/a", *forged, f"x-api-key: {JOBS_KEY}", tag="jobs")
        assert got.status == 200
        assert upstream is not None
        assert not [name for name in upstream.names() if canonical_name(name.encode()) in (b"xwinduserid", b"xrider")]
        assert "evil" not in str(upstream)
        assert JOBS_KEY not in str(upstream)


@pytest.mark.parametrize("nominated", ["x-wind-user-id", "authorization", ", ".join(IDENTITY), "close, x-api-tag"])
async def test_no_nomination_takes_the_identity_away(client: Client, nominated: str) -> None:
    person = client.town.person("wind-user-kept")
    got, upstream = await client.ask("/v1/a", f"connection: {nominated}", token=client.town.token(person))
    if got.status == 200:
        assert upstream is not None
        assert user_of(upstream) == "wind-user-kept"
        assert all(len(upstream.all(name)) == 1 for name in IDENTITY)
        assert not set("".join(upstream.all("connection")).replace(" ", "").lower().split(",")) & set(IDENTITY)
    else:
        assert (got.status, upstream) in ((400, None), (401, None))


@pytest.mark.parametrize(
    "target",
    ["/a/../b", "/a/%2e%2e/b", "/.%2E/b", "/a/..;/b", "/%252e%252e/a", "/a\\..\\b", "/..", "/a%2f..%2fb", "/%00"],
)
async def test_a_target_that_servers_read_differently_is_refused(client: Client, target: str) -> None:
    got, upstream = await client.ask(target)
    assert (got.status, upstream) == (400, None)


@pytest.mark.parametrize(
    "target", ["/a%2fb", "//a", "/a;x=1/b", "/", "/?", "/a?b=../c", "/%C3%A9", "/a//b/", "/a+b?c=%2e%2e", "/A/%41"]
)
async def test_any_other_target_is_forwarded_to_the_byte(client: Client, target: str) -> None:
    got, upstream = await client.ask(target)
    assert got.status == 200
    assert upstream is not None
    assert upstream.first == f"GET {target} HTTP/1.1".encode()


@pytest.mark.parametrize("target", ["http://other.example/a", "/a#b", "/a b", "*", "/a\\b"])
async def test_what_is_no_path_is_refused_or_read_as_the_decision_reads_it(client: Client, target: str) -> None:
    got, upstream = await client.ask(target)
    read = {b"GET /a HTTP/1.1", b"GET / HTTP/1.1", b"GET /a%23b HTTP/1.1", b"GET /a%5Cb HTTP/1.1"}
    assert got.status == 400 or (upstream is not None and upstream.first in read)


async def asked(client: Client, reason: str) -> tuple[Got, Head | None]:
    """A request that meets this refusal."""
    town = client.town
    match reason:
        case "ambiguous-api-tag":
            return await client.ask("/v1/a", "x-api-tag: wind")
        case "expired-token":
            return await client.ask(token=town.token(exp=1_700_000_000, iat=1_699_999_000))
        case "missing-token":
            return await client.ask("/v1/a", "authorization: Basic YTpi", token=None)
        case "partner-user-unknown":
            return await client.ask(token=town.token(town.person((404, "user_not_found"))))
        case "unknown-api-tag":
            return await client.ask(tag="nope")
        case "method-not-allowed":
            return await client.ask(tag="posts")
        case "rate-limited":
            token = town.token_of("limited")
            await client.ask(tag="limited", token=token)
            return await client.ask(tag="limited", token=token)
        case "partner-overloaded":
            return await client.ask(token=town.token(town.person((503, "busy"))))
        case "partner-bad-answer":
            return await client.ask(token=town.token(town.person((500, "fault"))))
    raise AssertionError(reason)


@pytest.mark.parametrize(
    ("status", "reason", "header"),
    [
        (400, "ambiguous-api-tag", ""),
        (401, "expired-token", "www-authenticate"),
        (403, "partner-user-unknown", ""),
        (404, "unknown-api-tag", ""),
        (405, "method-not-allowed", "allow"),
        (429, "rate-limited", "retry-after"),
        (502, "partner-bad-answer", ""),
        (503, "partner-overloaded", ""),
    ],
)
async def test_a_refusal_reaches_the_client(client: Client, status: int, reason: str, header: str) -> None:
    got, upstream = await asked(client, reason)
    if client.edge.engine == "envoy" and status >= 500:
        status, reason = 503, "decision-failed"
    check_refused(got, upstream, status, reason)
    assert not header or got.head.one(header)
    if header == "retry-after":
        assert int(got.head.one(header)) > 3000


async def test_a_refused_head_has_no_body(client: Client) -> None:
    got, upstream = await client.ask(token="nonsense", method="HEAD")
    assert (got.status, got.body, upstream) == (401, b"", None)


async def test_the_gateways_own_key_set_is_served_through_the_edge(client: Client) -> None:
    async with connected(client.edge.url) as raw:
        raw.send(b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: a\r\n\r\n")
        got = await raw.get()
    assert got.status == 200
    assert [key["kid"] for key in got.json()["keys"]] == ["2026-11"]
    tagged, upstream = await client.ask("/.well-known/jwks.json")
    assert tagged.status == 200
    assert upstream is not None


async def test_an_upstream_that_is_gone_is_no_yes(client: Client) -> None:
    await client.town.upstream.server.stop()
    try:
        got, _ = await client.ask()
        assert got.status in (502, 503, 504)
    finally:
        await client.town.upstream.server.start()
    got, _ = await client.ask()
    assert got.status == 200


async def test_no_decision_is_used_for_another_person(client: Client) -> None:
    persons = {client.town.token(client.town.person(f"wind-user-{n}")): f"wind-user-{n}" for n in range(40)}
    queue = [token for token in persons for _ in range(50)]
    served = 0

    async def client_of_many() -> None:
        nonlocal served
        async with connected(client.edge.url) as raw:
            while queue:
                token = queue.pop((len(queue) * 7919) % len(queue) if len(queue) % 2 else 0)
                raw.send(request(token, "/v1/a"))
                got = await raw.get()
                assert got.status == 200
                sent = dict(map(tuple, got.json()["headers"]))
                assert {name.lower(): value for name, value in sent.items()}["x-wind-user-id"] == persons[token]
                served += 1

    await asyncio.gather(*(client_of_many() for _ in range(8)))
    assert served == 2000


async def test_a_gateway_that_is_silent_or_gone_is_never_a_yes(client: Client) -> None:
    os_pid = client.gateway.process
    os_pid.send_signal(signal.SIGSTOP)
    try:
        got, upstream = await asyncio.wait_for(client.ask(), 15.0)
        assert (got.status in (500, 502, 503, 504), upstream) == (True, None)
        assert json.loads(got.body)["reason"] == "decision-failed"
        refused, _, unasked = await asyncio.wait_for(client.upgraded(b"x"), 15.0)
        assert (refused.status in (500, 502, 503, 504), unasked) == (True, None)
    finally:
        os_pid.send_signal(signal.SIGCONT)
    got, upstream = await client.ask()
    assert got.status == 200
