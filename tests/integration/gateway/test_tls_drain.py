"""A listener that speaks TLS: its drain does not wait for silent clients, and a disconnect is noticed."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from talaria.entrypoints.config import Address
from talaria.entrypoints.public.problems import RejectedHeads
from talaria.entrypoints.public.server import listener, sockets
from talaria.entrypoints.public.server.cycle import App, RequestResponseCycle
from talaria.entrypoints.public.server.framing import ConnectionLimits
from talaria.entrypoints.public.server.listener import Listener
from talaria.entrypoints.public.server.sockets import bind
from talaria.sandbox.certificates import write_certificate
from talaria.testing import MemoryRecorder
from tests.integration.gateway.support_raw import SECONDS
from tests.support_waiting import until

ASK = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def _app(cycle: RequestResponseCycle) -> None:
    cycle.respond(200, [], b"hello")


class TlsListener:
    """A listener that speaks TLS."""

    def __init__(self, folder: Path, drain_timeout: float, app: App = _app, header_timeout: float = 5.0) -> None:
        self._cert, self._key = write_certificate(folder, "listener")
        self._socket = bind(Address("127.0.0.1", 0), "a test")
        self.address = self._socket.getsockname()[:2]
        rejected = RejectedHeads(MemoryRecorder())
        self.listener = Listener(app, rejected, ConnectionLimits(1000, header_timeout, 5.0), drain_timeout)

    async def open(self) -> None:
        """Serve."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._cert, self._key)
        await self.listener.start(self._socket, tls)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A client that has asked before."""
        tls = ssl.create_default_context(cafile=self._cert)
        reader, writer = await asyncio.open_connection(*self.address, ssl=tls)
        writer.write(ASK)
        assert b"connection: close" not in await reader.readuntil(b"hello")
        yield reader, writer
        writer.transport.abort()


@pytest.fixture
async def silent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[socket.socket]]:
    """Two clients that connect in the moment when a listener stops to accept, and say nothing."""
    clients: list[socket.socket] = []
    stop_accepting = sockets.stop_accepting

    async def after_two_more(served: socket.socket) -> None:
        clients.extend(socket.create_connection(served.getsockname(), timeout=5) for _ in range(2))
        await stop_accepting(served)

    monkeypatch.setattr(listener, "stop_accepting", after_two_more)
    yield clients
    for client in clients:
        client.close()
    await asyncio.sleep(0.1)  # until the loop has seen it: a handshake half-way would hold its end for a minute


async def test_silent_clients_do_not_hold_up_a_drain(tmp_path: Path, silent: list[socket.socket]) -> None:
    served = TlsListener(tmp_path, 1.0)
    await served.open()
    await asyncio.wait_for(served.listener.stop(), 10)
    assert len(silent) == 2


async def test_a_kept_connection_hears_of_a_drain_while_others_are_let_in(
    tmp_path: Path, silent: list[socket.socket]
) -> None:
    served = TlsListener(tmp_path, 8.0)
    await served.open()
    async with served.kept() as (reader, writer):
        stopping = asyncio.create_task(served.listener.stop())
        await until(lambda: bool(silent))
        writer.write(ASK)
        answer = await asyncio.wait_for(reader.readuntil(b"hello"), SECONDS)
        await asyncio.wait_for(stopping, 20)
    assert b"connection: close" in answer


async def test_a_kept_client_that_does_not_say_goodbye_does_not_hold_up_a_drain(tmp_path: Path) -> None:
    """As one does that keeps connections in a pool, and looks at them when it needs one."""
    served = TlsListener(tmp_path, 30.0)
    await served.open()
    async with served.kept() as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.wait_for(served.listener.stop(), 15)


def _close_sending_half(writer: asyncio.StreamWriter) -> None:
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as sock:
        sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("whole", [True, False])
async def test_a_client_that_leaves_behind_its_own_request_is_noticed(tmp_path: Path, whole: bool) -> None:
    """Though its connection is not read then. (One that says goodbye in TLS and keeps its socket open is not.)"""
    began, left = asyncio.Event(), asyncio.Event()

    async def hold(cycle: RequestResponseCycle) -> None:
        if cycle.target == b"/":
            cycle.respond(200, [], b"hello")
            return
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left.set()

    served = TlsListener(tmp_path, 1.0, hold)
    await served.open()
    async with served.kept() as (_, writer):
        writer.write(ASK.replace(b"/", b"/hold", 1) * 2)
        await asyncio.wait_for(began.wait(), SECONDS)
        assert not left.is_set()
        writer.transport.abort() if whole else _close_sending_half(writer)
        await asyncio.wait_for(left.wait(), SECONDS)
    await served.listener.stop()


async def test_a_client_that_never_begins_its_handshake_has_the_time_of_a_head(tmp_path: Path) -> None:
    served = TlsListener(tmp_path, 1.0, header_timeout=0.2)
    await served.open()
    reader, writer = await asyncio.open_connection(*served.address)
    assert await asyncio.wait_for(reader.read(), SECONDS) == b""
    writer.close()
    await served.listener.stop()
