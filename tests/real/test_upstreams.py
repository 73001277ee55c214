"""nginx, Node and gunicorn as the upstream: what goes through the gateway comes whole, both ways."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.real.support_gateway_process import GatewayProcess
from tests.real.support_upstream_programs import LARGE, UPSTREAMS, WORDS, gateway_before

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECONDS = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=sorted(UPSTREAMS))
async def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GatewayProcess]:
    """A gateway in front of one of them."""
    async with gateway_before(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(gateway: GatewayProcess) -> AsyncIterator[httpx.AsyncClient]:
    """One with what a request must have."""
    headers = gateway.sandbox.headers()
    async with httpx.AsyncClient(trust_env=False, base_url=gateway.url, headers=headers, timeout=SECONDS) as opened:
        yield opened


async def pieces() -> AsyncIterator[bytes]:
    """The body, without its length."""
    for at in range(0, len(LARGE), 100_000):
        yield LARGE[at : at + 100_000]


async def test_a_connection_is_kept(client: httpx.AsyncClient) -> None:
    names = {(await client.get("/connection")).text for _ in range(5)}
    assert len(names) == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_answer_comes_whole(client: httpx.AsyncClient, framing: str) -> None:
    answer = await client.get(f"/{framing}")
    assert answer.status_code == 200
    assert answer.headers.get("transfer-encoding") == ("chunked" if framing == "chunked" else None)
    assert answer.content == LARGE


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_body_arrives_whole(client: httpx.AsyncClient, framing: str) -> None:
    answer = await client.post("/upload", content=LARGE if framing == "length" else pieces())
    assert answer.json() == {"size": len(LARGE), "sha256": hashlib.sha256(LARGE).hexdigest()}


async def test_a_body_that_waits_for_a_100_arrives(client: httpx.AsyncClient) -> None:
    answer = await client.post("/upload", content=b"some", headers={"expect": "100-continue"})
    assert answer.json()["size"] == 4


async def test_events_come_one_by_one(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/events/3") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        arrived = [chunk async for chunk in answer.aiter_bytes()]
    assert b"".join(arrived) == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    assert b"data: 3" not in arrived[0]


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_ends_at_its_head(client: httpx.AsyncClient, status: int) -> None:
    for _ in range(2):  # the second one on the same connection, which nothing must have spoilt
        answer = await client.get(f"/status/{status}")
        assert (answer.status_code, answer.content) == (status, b"")


async def test_a_content_coding_is_passed_on(client: httpx.AsyncClient) -> None:
    answer = await client.get("/gzip", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == WORDS


async def test_an_answer_before_the_body_was_read_reaches_the_client(client: httpx.AsyncClient) -> None:
    answer = await client.post("/early", content=pieces())
    assert answer.status_code == 401
    assert (await client.get("/status/204")).status_code == 204


async def test_an_answer_that_breaks_off_is_never_taken_for_whole(client: httpx.AsyncClient) -> None:
    try:
        answer = await client.get("/cut")
    except httpx.RemoteProtocolError:
        pass
    else:
        assert (answer.status_code, answer.json()["reason"]) == (502, "upstream-unreachable")
    assert (await client.get("/status/204")).status_code == 204


async def test_a_client_that_leaves_takes_its_request_along(gateway: GatewayProcess, client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/events/100") as answer:
        await anext(answer.aiter_bytes())
    async with asyncio.timeout(SECONDS):
        while '"status":499' not in gateway.served.log.read_text():
            await asyncio.sleep(0.05)  # a file tells nothing when it grows
    assert (await client.get("/status/204")).status_code == 204
