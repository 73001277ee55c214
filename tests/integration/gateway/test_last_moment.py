"""A connection that is accepted in the very moment in which a drain begins is served like any other."""

import asyncio
import errno
import socket
import sys
from collections.abc import Callable

import pytest
import uvloop

from talaria.entrypoints.config import Address
from talaria.entrypoints.public.problems import RejectedHeads
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.framing import ConnectionLimits
from talaria.entrypoints.public.server.listener import Listener
from talaria.entrypoints.public.server.sockets import bind, resume_accepting, stop_accepting
from talaria.testing import MemoryRecorder


async def hello(cycle: RequestResponseCycle) -> None:
    """An application."""
    cycle.respond(200, [(b"content-length", b"0")], b"")


async def drain_after(passes: int) -> bytes:
    """A client connects, the loop turns so many times, the drain begins; only then does the client ask."""
    loop = asyncio.get_running_loop()
    listening = bind(Address("127.0.0.1", 0), "a test")
    limits = ConnectionLimits(header_limit=1000, header_timeout=5.0, keepalive_timeout=5.0)
    listener = Listener(hello, RejectedHeads(MemoryRecorder()), limits, drain_timeout=5.0, idle_grace=5.0)
    await listener.start(listening)
    with socket.create_connection(listening.getsockname()) as client:
        client.setblocking(False)
        for _ in range(passes):
            await asyncio.sleep(0)
        stopping = asyncio.create_task(listener.stop())
        await asyncio.sleep(0)
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = await loop.sock_recv(client, 4096)
    await stopping
    return answer


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("passes", range(5))
def test_an_accepted_connection_is_served(passes: int, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(drain_after(passes)).startswith(b"HTTP/1.1 200")


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux")
async def test_no_connection_opens_that_would_be_reset() -> None:
    with bind(Address("127.0.0.1", 0), "a test", shared=True) as leaving:
        address = leaving.getsockname()
        await stop_accepting(leaving)
        with socket.socket() as client:
            client.setblocking(False)
            assert client.connect_ex(address) == errno.EINPROGRESS
            assert client.connect_ex(address) == errno.EALREADY, "neither taken nor refused: it asks again later"
            assert isinstance(_accept(leaving), BlockingIOError)
        resume_accepting(leaving)
        with socket.create_connection(address, timeout=5):
            pass


def _accept(listening: socket.socket) -> object:
    try:
        return listening.accept()
    except BlockingIOError as refused:
        return refused
