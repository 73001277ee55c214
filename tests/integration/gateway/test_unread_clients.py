"""What the kernel knows of a client while its connection is not read: has it closed, does it take what was sent?"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from talaria.entrypoints.public.server.sockets import peer_has_closed, unsent_bytes
from tests.unit.entrypoints.public.server.support_server import LIMITS, ClientTransport, Harness, get, post

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
        harness = Harness()
        await harness.feed(get("/"))
        await harness.stuck()
        await harness.answer(b"", CLOSE)
        harness.transport.sock = ours
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        for second in range(0, 60, 6):
            _read_some(client, ours)
            harness.enforce_timeouts(second)
        assert not harness.aborted
        harness.enforce_timeouts(60 + KEPT)
        assert harness.aborted


def _read_some(client: socket.socket, ours: socket.socket) -> None:
    """Until it shows on the other side."""
    before = unsent_bytes(_transport_of(ours))
    assert before > 0
    while unsent_bytes(_transport_of(ours)) == before:
        assert client.recv(4096)


@pytest.mark.parametrize("how", ["half", "closed", "reset"])
async def test_a_client_that_has_left_is_seen_without_reading(how: str) -> None:
    async with _both_ends() as (client, ours):
        assert not peer_has_closed(_transport_of(ours))
        client.sendall(b"unread")
        assert not peer_has_closed(_transport_of(ours))
        if how == "half":
            client.shutdown(socket.SHUT_WR)
        elif how == "closed":
            client.close()
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        assert peer_has_closed(_transport_of(ours))
        ours.close()
        assert peer_has_closed(_transport_of(ours))


@pytest.mark.parametrize("data", [get("/1") + get("/2"), post("/", b"x" * 200_000)])
async def test_a_client_that_has_closed_is_cut_off_while_its_connection_is_not_read(data: bytes) -> None:
    """Behind another request, or while its upload is paused because the upstream is slow."""
    async with _both_ends() as (client, ours):
        harness = Harness()
        harness.transport.sock = ours
        await harness.feed(data)
        assert not harness.transport.reading
        harness.enforce_timeouts(1)
        assert not harness.aborted
        client.shutdown(socket.SHUT_WR)
        harness.enforce_timeouts(2)
        assert harness.aborted
