"""Whoever was accepted in the very moment in which a drain begins is served like everybody else."""

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talaria.entrypoints.public.server.listener import Listener
from talaria.entrypoints.public.server.sockets import bind, resume_accepting, stop_accepting


class Patient(HttpToolsProtocol):
    """Does not close what is idle when a drain begins, as ours does not."""

    def shutdown(self) -> None:
        """It waits for a request."""


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """An application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def drain_after(passes: int) -> bytes:
    """A client connects, the loop turns so many times, the drain begins; only then does the client ask."""
    loop = asyncio.get_running_loop()
    listening = bind("127.0.0.1", 0, "a test")
    listener = Listener(hello, Patient, drain_timeout=5.0, idle_grace=5.0)
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
def test_whoever_was_accepted_is_served(passes: int, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(drain_after(passes)).startswith(b"HTTP/1.1 200")


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux")
async def test_nobody_begins_a_connection_that_would_be_reset() -> None:
    with bind("127.0.0.1", 0, "a test", shared=True) as leaving:
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
    except BlockingIOError as nobody:
        return nobody
