"""Whoever was accepted in the very moment in which a drain begins is served like everybody else."""

import asyncio
import socket
from typing import Any

import pytest
import uvloop

from talaria.entrypoints.http.listener import Listener
from talaria.entrypoints.listening import bind


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """An application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def drain_after(passes: int) -> bytes:
    """A client connects, the loop turns so many times, the drain begins; only then does the client ask."""
    loop = asyncio.get_running_loop()
    listening = bind("127.0.0.1", 0, "a test")
    listener = Listener(hello, "httptools", drain_timeout=5.0, idle_grace=5.0)
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


@pytest.mark.parametrize("passes", range(5))
def test_whoever_was_accepted_is_served(passes: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(drain_after(passes)).startswith(b"HTTP/1.1 200")
