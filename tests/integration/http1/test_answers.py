"""Answers over real sockets: pieces, ends, reuse, refusals."""

import asyncio
import time

import pytest

from talaria.adapters.http1.errors import ConnectionClosed, RemoteProtocolError
from talaria.adapters.http1.upstream import Http1Upstream
from tests.integration.http1.support_peers import HELLO, RawUpstream, answering, forever, read, request, upstream

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nsum: 1\r\n\r\n"


async def test_a_request_as_the_upstream_sees_it() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await raw.head_of(reader)
        writer.write(HELLO)

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        await client.send(request(target=b"/a%20b?c=d&&", headers=[(b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3")]))
        await client.aclose()
    authority = raw.url.removeprefix("http://").encode()
    assert raw.heads == [b"GET /a%20b?c=d&& HTTP/1.1\r\nhost: " + authority + b"\r\nx-b: 1\r\nx-a: 2\r\nx-b: 3\r\n\r\n"]


@pytest.mark.parametrize("raw_answer", [HELLO, CHUNKED], ids=["length", "chunked"])
async def test_byte_by_byte(raw_answer: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            for byte in raw_answer:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        for _ in range(2):
            answer = await client.send(request())
            assert (await read(answer)).startswith(b"hello")
        assert (raw.connections, client.in_flight) == (1, 0)
        await client.aclose()


async def test_one_connection_serves_many_requests() -> None:
    async with upstream(forever) as raw:
        client = Http1Upstream(raw.url)
        for _ in range(50):
            assert (await client.send(request())).complete_body == b"hello"
        assert raw.connections == 1
        await client.aclose()


async def test_many_requests_at_once_are_never_mixed_up() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            target = (await raw.head_of(reader)).split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(target))
            await asyncio.sleep(0)
            writer.write(target)

    async def ask(number: int) -> None:
        answer = await client.send(request(target=b"/%d" % number))
        assert await read(answer) == b"/%d" % number

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url, max_connections=8)
        for _ in range(20):
            async with asyncio.TaskGroup() as group:
                for number in range(32):
                    group.create_task(ask(number))
        assert raw.connections == 8
        assert client.in_flight == 0
        await client.aclose()


@pytest.mark.parametrize(
    ("method", "first"),
    [
        ("GET", HELLO + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"),
        ("GET", CHUNKED + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"),
        ("HEAD", HELLO),
        ("GET", b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"),
    ],
)
async def test_surplus_never_answers_another_request(method: str, first: bytes) -> None:
    async with upstream(answering(first, b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")) as raw:
        client = Http1Upstream(raw.url)
        for nth in range(1, 4):
            answer = await client.send(request(method))
            assert b"poison" not in await read(answer)
            assert raw.connections == nth
        await client.aclose()


async def test_bytes_on_an_idle_connection_close_it() -> None:
    speak = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HELLO)
        if not nth:
            await speak.wait()
            writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        await client.send(request())
        speak.set()
        await raw.until(lambda: raw.open == 0)
        assert (await client.send(request("POST", length=0))).status == 200
        assert raw.connections == 2
        await client.aclose()


async def test_interim_answers_are_not_seen() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    async with upstream(answering(interim + HELLO)) as raw:
        client = Http1Upstream(raw.url)
        answer = await client.send(request())
        assert (answer.status, answer.complete_body) == (200, b"hello")
        await client.aclose()


@pytest.mark.parametrize(
    "bad",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * 70_000,
    ],
)
async def test_nonsense_is_refused_and_its_connection_closed(bad: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bad)
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        sent = request()
        with pytest.raises(RemoteProtocolError):
            await client.send(sent)
        assert [attempt.outcome for attempt in sent.attempts] == ["bad-answer"]
        await raw.until(lambda: raw.open == 0)
        assert client.in_flight == 0


async def test_a_body_until_the_end_of_the_connection() -> None:
    async with upstream(answering(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as raw:
        assert await read(await Http1Upstream(raw.url).send(request())) == b"all of it"


async def test_a_body_that_ends_too_early_is_an_error() -> None:
    async with upstream(answering(HELLO[:-1])) as raw:
        client = Http1Upstream(raw.url)
        answer = await client.send(request())
        with pytest.raises(ConnectionClosed):
            await read(answer)
        assert client.in_flight == 0


async def test_a_reset_inside_a_body_until_close_is_an_error() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nsome")
        await told.wait()
        RawUpstream.reset(writer)

    told = asyncio.Event()
    async with upstream(handler) as raw:
        answer = await Http1Upstream(raw.url).send(request())
        assert await anext(answer.body) == b"some"
        told.set()
        with pytest.raises(ConnectionClosed):
            await anext(answer.body)


async def test_attempts_are_noted() -> None:
    async with upstream(answering(HELLO, b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")) as raw:
        client = Http1Upstream(raw.url, name="services", address="a:1")
        sent = request()
        await client.send(sent)
        await client.send(sent)
        await client.aclose()
    noted = [(a.dependency, a.address, a.outcome) for a in sent.attempts]
    assert noted == [("services", "a:1", "ok"), ("services", "a:1", "503")]
    assert all(0 <= attempt.seconds < 5 for attempt in sent.attempts)


async def test_attempts_begin_when_they_do_and_not_with_the_turn_of_the_loop() -> None:
    async with upstream(answering(HELLO)) as raw:
        client = Http1Upstream(raw.url)
        await client.send(request())
        for _ in range(20):
            sent = request()
            await asyncio.sleep(0)
            before = time.monotonic()
            await client.send(sent)
            assert before <= sent.attempts[0].at
            assert sent.attempts[0].at + sent.attempts[0].seconds <= time.monotonic()
        await client.aclose()
