"""Clients that send and do not read, or read slowly: bounded in time and memory, and no trouble to other clients."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from talaria.entrypoints.public.server.pipeline import MAX_QUEUED
from tests.integration.gateway.support_client import chunked, request
from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in, process_of
from tests.integration.gateway.support_raw import Head, Line
from tests.integration.gateway.support_services import answer

MIB = 1 << 20
SMALL = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


@contextlib.contextmanager
def deaf(url: str) -> Iterator[socket.socket]:
    """A connection with little room for what comes."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((urlsplit(url).hostname, urlsplit(url).port))
        sock.setblocking(False)
        yield sock


async def _send_until_cut_off(sock: socket.socket, piece: bytes) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            while True:
                await loop.sock_sendall(sock, piece)


@pytest.mark.parametrize("at_once", [1, 2000])
async def test_a_client_that_never_reads_costs_little_and_is_cut_off(town: Town, at_once: int) -> None:
    config = town.configure({"server": {"keepalive_timeout": "1s"}})
    async with process_of(town, config) as gateway:
        assert (await gateway.ask()).status == 200
        before = gateway.resident
        with deaf(gateway.url) as sock:
            await _send_until_cut_off(sock, SMALL * at_once)
            assert gateway.resident - before < 16 * MIB
        assert (await gateway.ask()).status == 200


async def test_a_slow_reader_gets_all_of_its_last_answer(town: Town) -> None:
    """It takes several times the patience for one that reads nothing."""
    size = 400_000
    town.upstream.fault = answer(200, b"x" * size)
    async with gateway_in(town, {"server": {"keepalive_timeout": "500ms"}}) as gateway:
        with deaf(gateway.url) as sock:
            await asyncio.get_running_loop().sock_sendall(sock, request(town.token(), "/", "connection: close"))
            assert await _read_slowly(sock, 100_000) == size


async def test_a_client_that_does_not_read_a_stream_costs_little_and_is_cut(town: Town) -> None:
    """An upstream without an end is held up by the client, not by the gateway's memory."""

    async def endless(head: Head, line: Line) -> None:
        await line.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await line.send(chunked(b"x" * 65_536))

    config = town.configure({"routes": {"wind": {"idle_timeout": "1s"}}})
    async with process_of(town, config) as gateway:
        assert (await gateway.ask()).status == 200
        before = gateway.resident
        town.upstream.fault = endless
        with deaf(gateway.url) as sock:
            await asyncio.get_running_loop().sock_sendall(sock, request(town.token(), "/", "x-request-id: unread"))
            line = await gateway.line(lambda line: line["request_id"] == "unread")
            assert (line["status"], line["reason"]) == (499, "client-gone")
            assert gateway.resident - before < 8 * MIB
        await town.upstream.server.until(lambda: town.upstream.server.open <= 1)
        town.upstream.fault = None
        assert (await gateway.ask()).status == 200


async def _read_slowly(sock: socket.socket, pace: int) -> int:
    """The length of the body; so many bytes are read in a second."""
    loop, got = asyncio.get_running_loop(), b""
    while more := await loop.sock_recv(sock, pace // 10):
        got += more
        await asyncio.sleep(len(more) / pace)
    return len(got.partition(b"\r\n\r\n")[2])


async def test_so_many_wait_and_the_rest_is_not_served(gateway: Gateway, town: Town) -> None:
    served = MAX_QUEUED + 1
    tokens = [town.token() for _ in range(served + 3)]
    async with gateway.connected() as client:
        client.send(b"".join(request(token, f"/{number}") for number, token in enumerate(tokens)))
        bodies = [(await client.get()).body for _ in range(served)]
        assert await client.at_end() == b""
    assert bodies == [f"wind-user-{number + 1}".encode() for number in range(served)]
    assert [seen.head.first.split()[1] for seen in town.upstream.seen] == [b"/%d" % number for number in range(served)]
