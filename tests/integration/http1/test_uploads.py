"""Bodies of requests over real sockets: framing, back-pressure, early answers, failures."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest

from talaria.adapters.http1.errors import BodyLengthMismatch, WriteTimeout
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.domain.errors import ClientGone
from tests.integration.http1.support_peers import HELLO, pieces, request, upstream

REFUSAL = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno"


async def _counted(counts: list[int], size: int = 64 * 1024, most: int = 1 << 30) -> AsyncIterator[bytes]:
    """A body that notes how much of it was asked for."""
    while sum(counts) < most:
        counts.append(size)
        yield b"x" * size


@pytest.mark.parametrize(
    ("length", "sent"),
    [(7, b"content-length: 7\r\n\r\nab" + b"cdefg"), (None, b"chunked\r\n\r\n2\r\nab\r\n5\r\ncdefg\r\n0\r\n\r\n")],
)
async def test_framing(length: int | None, sent: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        for _ in range(2):
            received.append(await reader.readuntil(sent))
            writer.write(HELLO)
        await reader.read()

    received: list[bytes] = []
    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        for _ in range(2):
            body = pieces(b"ab", b"", b"cdefg")
            assert (await client.send(request("POST", body=body, length=length))).complete_body == b"hello"
        assert (len(received), raw.connections) == (2, 1)
        await client.aclose()


async def test_an_early_answer_stops_the_upload_and_arrives_at_once() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL)
        await gone.wait()

    gone = asyncio.Event()
    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        for _ in range(20):
            counts: list[int] = []
            answer = await client.send(request("POST", body=_counted(counts), length=1 << 30))
            assert (answer.status, answer.complete_body) == (413, b"no")
            assert sum(counts) < 1 << 25
        assert (raw.connections, client.in_flight) == (20, 0)
        gone.set()


def _refuse_and_close(listener: socket.socket) -> None:
    """Answers as soon as it has a head, and closes with the body unread: that resets the connection."""
    while True:
        connection, _ = listener.accept()
        with connection:
            if not connection.recv(10):
                return
            connection.sendall(REFUSAL)


async def test_an_early_answer_of_a_peer_that_closes_at_once_is_not_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = asyncio.get_running_loop().run_in_executor(None, _refuse_and_close, listener)
        port = listener.getsockname()[1]
        client = Http1Upstream(f"http://127.0.0.1:{port}")
        before = len(os.listdir("/proc/self/fd"))
        try:
            for turn in range(100):
                length = 1 << 30 if turn % 2 else None
                answer = await client.send(request("POST", body=_counted([]), length=length))
                assert (answer.status, answer.complete_body) == (413, b"no")
        finally:
            socket.create_connection(("127.0.0.1", port)).close()
            await peer
        assert client.in_flight == 0
        assert len(os.listdir("/proc/self/fd")) <= before + 1


async def test_a_body_that_never_pauses_leaves_the_loop_its_turns() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while await reader.read(1 << 20):
            pass

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        sending = asyncio.create_task(client.send(request("POST", body=_counted([]))))
        for _ in range(100):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        assert client.in_flight == 0


async def test_a_peer_that_does_not_read_stops_the_upload() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await go_on.wait()
        left = 1 << 25
        await reader.readuntil(b"\r\n\r\n")
        while left:
            left -= len(await reader.read(1 << 18))
        writer.write(HELLO)

    go_on = asyncio.Event()
    counts: list[int] = []
    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        sending = asyncio.create_task(
            client.send(request("PUT", body=_counted(counts, most=1 << 25), length=1 << 25, timeout=20.0))
        )
        await asyncio.wait([sending], timeout=0.2)
        assert sum(counts) < 1 << 24
        go_on.set()
        assert (await sending).complete_body == b"hello"
        await client.aclose()


async def test_a_peer_that_never_reads_is_given_up() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await done.wait()

    done = asyncio.Event()
    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        with pytest.raises(WriteTimeout):
            await client.send(request("PUT", body=_counted([]), length=1 << 30, idle_timeout=0.05))
        assert client.in_flight == 0
        done.set()


@pytest.mark.parametrize(("length", "error"), [(3, ClientGone()), (None, ClientGone()), (1, None), (9, None)])
async def test_a_body_that_fails_never_leaves_its_connection_in_the_pool(
    length: int | None, error: BaseException | None
) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        sent = request("POST", body=pieces(b"ab", *([error] if error else [])), length=length)
        with pytest.raises(ClientGone if error else BodyLengthMismatch) as caught:
            await client.send(sent)
        assert error is None or caught.value is error
        assert [attempt.outcome for attempt in sent.attempts] == ["client"]
        await raw.until(lambda: raw.connections == 1 and raw.open == 0)
        assert client.in_flight == 0


async def test_answer_and_upload_of_a_large_body() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 33554432" in head
        left = 1 << 25
        while left:
            left -= len(await reader.read(1 << 20))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 33554432\r\n\r\n")
        for _ in range(512):
            writer.write(b"y" * 65536)
            await writer.drain()
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        answer = await client.send(request("POST", body=_counted([], most=1 << 25), length=1 << 25, timeout=20.0))
        received = 0
        async for chunk in answer.body:
            received += len(chunk)
        assert (received, client.in_flight) == (1 << 25, 0)
        await client.aclose()
