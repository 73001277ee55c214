"""A back end of raw bytes that a contract's handler drives, request by request, over one connection after another."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Literal

from talaria.domain.http import Headers
from talaria.testing.contracts.upstream_harness import Handler


class Disconnected(Exception):
    """The connection is over, or must not be used again."""


class RawBackendRequest:
    """One request on a connection. Reads heads and bodies by hand, so that nothing of the wire is hidden."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        method, self.target, version = first.split(b" ")
        assert version == b"HTTP/1.1"
        self.method = method.decode()
        self.headers: Headers = []
        for line in lines:
            name, _, value = line.partition(b":")
            self.headers.append((name.lower(), value.strip(b" \t")))
        self._reader, self._writer = reader, writer
        named = dict(self.headers)
        self._left = -1 if b"transfer-encoding" in named else int(named.get(b"content-length", 0))
        self._begun: Literal["", "length", "chunked", "none"] = ""
        self.over = False

    async def read(self) -> bytes:
        if self._left == 0:
            return b""
        if self._left > 0:
            piece = await self._reader.read(min(self._left, 65_536))
            self._left -= len(piece)
            return self._checked(piece)
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        piece = (await self._reader.readexactly(size + 2))[:-2]
        if size == 0:
            self._left = 0
            return b""
        return self._checked(piece)

    def _checked(self, piece: bytes) -> bytes:
        if not piece:
            raise Disconnected
        return piece

    async def read_all(self) -> bytes:
        body = b""
        while piece := await self.read():
            body += piece
        return body

    async def interim(self, status: int) -> None:
        self._writer.write(b"HTTP/1.1 %d Wait\r\nlink: </a>\r\n\r\n" % status)

    async def head(self, status: int, headers: Headers | None = None, length: int | None = None) -> None:
        lines = [b"HTTP/1.1 %d Because" % status, *(name + b": " + value for name, value in headers or [])]
        bodyless = self.method == "HEAD" or status in (204, 304)
        self._begun = "none" if bodyless else "chunked" if length is None else "length"
        if length is not None:
            lines.append(b"content-length: %d" % length)
        elif not bodyless:
            lines.append(b"transfer-encoding: chunked")
        self._writer.write(b"\r\n".join([*lines, b"", b""]))
        await self._writer.drain()

    async def write(self, chunk: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._begun == "chunked" else chunk)
        await self._writer.drain()

    async def end(self, how: Literal["well", "reset", "nonsense"] = "well") -> None:
        if self.over:
            return
        self.over = True
        if how == "well":
            self._writer.write(b"0\r\n\r\n" if self._begun == "chunked" else b"")
            return
        if how == "nonsense":
            self._writer.write(b"what?\r\n\r\n" * 3)
            await self._writer.drain()
        else:
            sock: socket.socket = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        raise Disconnected

    async def wait_disconnected(self) -> None:
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65_536):
                continue
        raise Disconnected

    @property
    def is_read(self) -> bool:
        """Has the request's body been read to its end?"""
        return self._left == 0


class RawBackend:
    """Listens on loopback and lets `handler` serve what comes."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections = 0
        self.errors: list[Exception] = []
        self.url = ""

    @property
    def authority(self) -> bytes:
        return self.url.removeprefix("http://").encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                incoming = RawBackendRequest(reader, writer, await reader.readuntil(b"\r\n\r\n"))
                await self.handler(incoming)
                await incoming.end()
                if not incoming.is_read:
                    await asyncio.wait_for(incoming.wait_disconnected(), 5)
        except (Disconnected, asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def raw_backend(handler: Handler) -> AsyncIterator[RawBackend]:
    """One that runs. Raises afterwards what a handler failed with."""
    raw = RawBackend(handler)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
    if raw.errors:
        raise raw.errors[0]
