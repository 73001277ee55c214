"""Upstreams of raw bytes. Never an HTTP library: that would hide what is on the wire."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

from talaria.domain.http import UpstreamResponse
from talaria.testing.contracts.upstream_harness import pieces as pieces
from talaria.testing.contracts.upstream_harness import request as request

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


class RawUpstream:
    """Listens on loopback. `handler` serves each connection, told which one it is; leaving it closes the connection.

    `connections` counts what was accepted, `heads` keeps the heads of requests that `head_of` read.
    """

    def __init__(self, handler: Handler) -> None:
        self.connections = 0
        self.open = 0
        self.heads: list[bytes] = []
        self.url = ""
        self.changed = asyncio.Event()
        self._handler = handler

    async def head_of(self, reader: asyncio.StreamReader) -> bytes:
        """The head of the next request. Raises IncompleteReadError at the end."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a connection came or went and the condition holds."""
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @staticmethod
    def reset(writer: asyncio.StreamWriter) -> None:
        """End a connection with RST."""
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        nth = self.connections
        self.connections += 1
        self.open += 1
        self.changed.set()
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._handler(reader, writer, nth)
        finally:
            self.open -= 1
            self.changed.set()
            writer.close()


@contextlib.asynccontextmanager
async def upstream(
    handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawUpstream]:
    """A running upstream on a free port."""
    raw = RawUpstream(handler)
    server = await asyncio.start_server(raw.serve, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    raw.url = f"{'https' if tls else 'http'}://{'[::1]' if host == '::1' else 'localhost' if tls else host}:{port}"
    try:
        yield raw
    finally:
        server.close()


def answering(*answers: bytes) -> Handler:
    """Every connection answers its requests (without bodies) by these bytes in turn, and then is closed."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()

    return handler


async def forever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    """Answers every request (without a body) with HELLO."""
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HELLO)


async def read(answer: UpstreamResponse) -> bytes:
    """The whole body, by the stream."""
    return b"".join([chunk async for chunk in answer.body])
