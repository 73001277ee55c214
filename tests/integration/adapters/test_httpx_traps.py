"""What httpx would do by itself and must not: each trap, over raw sockets, in both places where it is used."""

import asyncio
import logging

import pytest

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.httpx_origin import HttpxOrigin
from talaria.adapters.httpx_transport import httpx_transport
from talaria.adapters.reply import Reply
from talaria.domain.errors import PERSONAL, BadAnswer, BadRequest, GatewayOverloaded, Unreachable
from talaria.domain.events import HopContext
from talaria.testing import MemoryRecorder
from tests.integration.http1.support_peers import HELLO, answering, forever, pieces, read, request, upstream
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
        transport=httpx_transport(max_connections=4),
    )


async def ask(client: DependencyClient, headers: dict[str, str] | None = None) -> Reply:
    return await client.post("/canary-path", b"", headers or {}, HopContext("request-1", 5.0), lambda reply: reply)


async def test_surplus_bytes_are_nobodys_answer() -> None:
    async with upstream(answering(HELLO + SURPLUS, HELLO)) as raw:
        client = client_of(raw.url)
        assert [(await ask(client)).body for _ in range(2)] == [b"hello", b"hello"]
        assert raw.connections == 2
        await client.aclose()


async def test_surplus_bytes_are_nobodys_answer_upstream() -> None:
    async with upstream(answering(HELLO + SURPLUS, HELLO)) as raw:
        origin = HttpxOrigin(raw.url)
        for _ in range(2):
            assert await read(await origin.send(request())) == b"hello"
            await raw.until(lambda: raw.open == 0)
        assert raw.connections == 2
        await origin.aclose()


async def test_surplus_after_an_answer_without_a_body() -> None:
    head = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with upstream(answering(head + SURPLUS, head)) as raw:
        origin = HttpxOrigin(raw.url)
        assert [(await origin.send(request())).status for _ in range(2)] == [204, 204]
        assert raw.connections == 2
        await origin.aclose()


async def test_a_clean_connection_is_kept() -> None:
    async with upstream(forever) as raw:
        origin = HttpxOrigin(raw.url)
        for _ in range(3):
            await read(await origin.send(request()))
        assert raw.connections == 1
        await origin.aclose()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with upstream(forever) as raw:
        client, origin = client_of(raw.url), HttpxOrigin(raw.url)
        assert (await ask(client)).body == b"hello"
        assert await read(await origin.send(request())) == b"hello"
        await client.aclose()
        await origin.aclose()


async def test_nothing_is_logged_about_the_traffic(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, name)
    async with upstream(forever) as raw:
        client, origin = client_of(raw.url), HttpxOrigin(raw.url)
        await ask(client, {"authorization": "Bearer canary"})
        await read(await origin.send(request("GET", b"/canary", headers=[(b"x-canary", b"canary")])))
        await client.aclose()
        await origin.aclose()
    assert "canary" not in caplog.text


async def test_an_endless_answer_is_cut() -> None:
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
    client, origin = client_of(url, attempts=2), HttpxOrigin(url)
    with pytest.raises(Unreachable, match="connection refused", check=by("personal")):
        await ask(client)
    outbound = request()
    with pytest.raises(Unreachable, match="connection refused", check=by("upstream")):
        await origin.send(outbound)
    assert [attempt.outcome for attempt in outbound.attempts] == ["connect"]


async def test_a_connection_closed_without_an_answer_is_tried_again() -> None:
    async def first_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if nth:
            writer.write(HELLO)

    async with upstream(first_closes) as raw:
        client = client_of(raw.url, attempts=2)
        assert (await ask(client)).body == b"hello"
        await client.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_answers_that_are_not_http_as_it_must_be(answer: bytes) -> None:
    async with upstream(answering(answer)) as raw:
        origin = HttpxOrigin(raw.url)
        with pytest.raises(BadAnswer, check=by("upstream")):
            await read(await origin.send(request()))
        assert origin.in_flight == 0
        await origin.aclose()


async def test_one_more_than_the_limit_waits_and_is_told() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.read()

    async with upstream(silent) as raw:
        origin = HttpxOrigin(raw.url, max_connections=1, connect_timeout=0.1)
        first = asyncio.ensure_future(origin.send(request()))
        await raw.until(lambda: raw.open == 1)
        with pytest.raises(GatewayOverloaded) as caught:
            await origin.send(request())
        assert caught.value.retry_after == 1.0
        first.cancel()
        await asyncio.wait([first])
        assert origin.in_flight == 0
        await origin.aclose()


async def test_cancelled_waiters_take_no_place_with_them() -> None:
    async with upstream(forever) as raw:
        origin = HttpxOrigin(raw.url, max_connections=1)
        for delay in range(20):
            sending = [asyncio.ensure_future(origin.send(request())) for _ in range(5)]
            for _ in range(delay):
                await asyncio.sleep(0)
            for each in sending:
                each.cancel()
            for result in await asyncio.gather(*sending, return_exceptions=True):
                if not isinstance(result, BaseException):
                    await result.body.aclose()
        assert await read(await origin.send(request())) == b"hello"
        assert origin.in_flight == 0
        await origin.aclose()


@pytest.mark.parametrize("length", [3, 9])
async def test_a_body_that_is_not_as_long_as_it_says(length: int) -> None:
    async with upstream(forever) as raw:
        origin = HttpxOrigin(raw.url)
        with pytest.raises(BadRequest, match="than its length"):
            await origin.send(request("POST", body=pieces(b"12345"), length=length))
        await origin.aclose()


@pytest.mark.parametrize(
    ("target", "value"), [(b"/a b", b"1"), (b"/a\r\nx: y", b"1"), (b"/", b"1\r\nx-evil: 1"), (b"/", b"1\x00")]
)
async def test_nothing_is_smuggled_into_a_head(target: bytes, value: bytes) -> None:
    async with upstream(forever) as raw:
        origin = HttpxOrigin(raw.url)
        with pytest.raises(ValueError, match="can't be written"):
            await origin.send(request("GET", target, headers=[(b"x-value", value)]))
        assert origin.in_flight == 0
        await origin.aclose()
