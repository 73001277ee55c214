"""What the kernel knows of a client that nobody reads from: has it left, does it take what was sent?"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from talaria.entrypoints.public.server.pipeline import has_left, unsent_to
from tests.unit.entrypoints.public.server.support_server import LIMITS, ClientTransport, Door, get, post

CLOSE = (b"connection", b"close")
KEPT = LIMITS.keepalive_timeout


@asynccontextmanager
async def _both_ends() -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        with theirs:
            yield ours, theirs


def _transport_of(sock: socket.socket) -> asyncio.Transport:
    transport = ClientTransport()
    transport.sock = sock
    return transport


async def test_a_slow_reader_is_seen_by_what_the_kernel_holds() -> None:
    """It refills by large pieces: for long nothing moves but there."""
    async with _both_ends() as (client, ours):
        door = Door()
        await door.feed(get("/"))
        await door.stuck()
        await door.answer(b"", CLOSE)
        door.transport.sock = ours
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        for second in range(0, 60, 6):
            _read_some(client, ours)
            door.look_over(second)
        assert not door.aborted
        door.look_over(60 + KEPT)
        assert door.aborted


def _read_some(client: socket.socket, ours: socket.socket) -> None:
    """Until it shows on the other side."""
    before = unsent_to(_transport_of(ours))
    assert before > 0
    while unsent_to(_transport_of(ours)) == before:
        assert client.recv(4096)


@pytest.mark.parametrize("how", ["half", "closed", "reset"])
async def test_a_client_that_has_left_is_seen_without_reading(how: str) -> None:
    async with _both_ends() as (client, ours):
        assert not has_left(_transport_of(ours))
        client.sendall(b"unread")
        assert not has_left(_transport_of(ours))
        if how == "half":
            client.shutdown(socket.SHUT_WR)
        elif how == "closed":
            client.close()
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        assert has_left(_transport_of(ours))
        ours.close()
        assert has_left(_transport_of(ours))


@pytest.mark.parametrize("data", [get("/1") + get("/2"), post("/", b"x" * 200_000)])
async def test_who_has_left_is_cut_off_where_nobody_reads(data: bytes) -> None:
    """Behind another request, or while its upload is paused because the upstream is slow."""
    async with _both_ends() as (client, ours):
        door = Door()
        door.transport.sock = ours
        await door.feed(data)
        assert not door.transport.reading
        door.look_over(1)
        assert not door.aborted
        client.shutdown(socket.SHUT_WR)
        door.look_over(2)
        assert door.aborted
