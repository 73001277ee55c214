"""A dependency over raw sockets: what httpx would do by itself and must not, and what our transport sees to."""

import asyncio

import pytest

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.dependency_messages import DependencyResponse
from talaria.adapters.http1.transport import Http1Transport
from talaria.domain.errors import PERSONAL, BadAnswer, Unreachable
from talaria.domain.events import HopContext
from talaria.testing import MemoryRecorder
from tests.integration.http1.support_peers import HELLO, answering, forever, upstream
from tests.support_refusals import by

SURPLUS = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"


def client_of(url: str, attempts: int = 1) -> DependencyClient:
    return DependencyClient(
        "personal",
        url,
        PERSONAL,
        timeout=5,
        attempts=attempts,
        recorder=MemoryRecorder(),
        clock=MonotonicClock(),
        transport=Http1Transport(max_connections=4),
    )


async def ask(client: DependencyClient) -> DependencyResponse:
    return await client.post("/path", b"", {}, HopContext("request-1", 5.0), lambda response: response)


async def test_surplus_bytes_belong_to_no_response() -> None:
    async with upstream(answering(HELLO + SURPLUS, HELLO)) as raw:
        client = client_of(raw.url)
        assert [(await ask(client)).body for _ in range(2)] == [b"hello", b"hello"]
        assert raw.connections == 2
        await client.aclose()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with upstream(forever) as raw:
        client = client_of(raw.url)
        assert (await ask(client)).body == b"hello"
        await client.aclose()


async def test_an_endless_response_is_cut() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with upstream(endless) as raw:
        client = client_of(raw.url)
        with pytest.raises(BadAnswer, match="answer over 64 KiB", check=by("personal")):
            await ask(client)
        await raw.until(lambda: raw.open == 0)
        await client.aclose()


async def test_a_refused_connection_says_so() -> None:
    async with upstream(forever) as raw:
        url = raw.url
    with pytest.raises(Unreachable, match="connection refused", check=by("personal")):
        await ask(client_of(url, attempts=2))


async def test_a_connection_closed_without_a_response_is_tried_again() -> None:
    async def first_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if nth:
            writer.write(HELLO)

    async with upstream(first_closes) as raw:
        client = client_of(raw.url, attempts=2)
        assert (await ask(client)).body == b"hello"
        await client.aclose()
