"""A client of raw bytes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.integration.gateway.support_raw import SECONDS, Head, read_chunk, read_head, reset


@dataclass
class Got:
    """An answer as it came. `chunks`: the pieces of a chunked body; `interim`: the heads before the final one."""

    head: Head
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    interim: list[Head] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Of the first line."""
        return int(self.head.first.split(b" ")[1])

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Client:
    """One connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Write."""
        self.writer.write(data)

    async def head(self) -> Got:
        """The head of the next answer, interim ones apart."""
        async with asyncio.timeout(SECONDS):
            interim = []
            while (head := await read_head(self.reader)).first.split(b" ")[1].startswith(b"1"):
                interim.append(head)
            return Got(head, interim=interim)

    async def get(self, method: str = "GET") -> Got:
        """The next answer, to a request of this method."""
        got = await self.head()
        async with asyncio.timeout(SECONDS):
            await self._body(got, method)
        return got

    async def _body(self, got: Got, method: str) -> None:
        if method == "HEAD" or got.status in (204, 304):
            return
        if got.head.all("transfer-encoding"):
            assert got.head.one("transfer-encoding") == "chunked"
            assert not got.head.all("content-length")
            while chunk := await read_chunk(self.reader):
                got.chunks.append(chunk)
            got.body = b"".join(got.chunks)
        elif got.head.all("content-length"):
            got.body = await self.reader.readexactly(int(got.head.one("content-length")))
        else:
            assert got.head.one("connection") == "close"
            got.body = await self.reader.read(-1)

    async def ask(self, data: bytes) -> Got:
        """Send a request, and its answer."""
        self.send(data)
        return await self.get(data.split(b" ", 1)[0].decode())

    async def at_end(self, seconds: float = SECONDS) -> bytes:
        """What comes until the gateway closes; a reset ends it too."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read(-1)
            return b""

    def leave(self) -> None:
        """Close at once, whatever is under way."""
        self.writer.transport.abort()

    def reset(self) -> None:
        """Close with RST, which overtakes what was sent; the FIN of `leave` comes behind it."""
        reset(self.writer)


@contextlib.asynccontextmanager
async def connected(url: str, limit: int = 2**20) -> AsyncIterator[Client]:
    """A connection to this url's host and port."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=limit)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def ask(url: str, data: bytes) -> Got:
    """One request on a connection of its own."""
    async with connected(url) as client:
        return await client.ask(data)


def request(
    token: str | None,
    target: str = "/v1/scooters",
    *lines: str,
    method: str = "GET",
    tag: str | None = "wind",
    host: str | None = "door.example",
    body: bytes | Iterable[bytes] | None = None,
) -> bytes:
    """A request; `body` as bytes has its length, as pieces it is chunked."""
    head = [f"{method} {target} HTTP/1.1"]
    head += [f"host: {host}"] if host is not None else []
    head += [f"x-api-tag: {tag}"] if tag is not None else []
    head += [f"authorization: Bearer {token}"] if token is not None else []
    head += lines
    content = b""
    if isinstance(body, bytes):
        head.append(f"content-length: {len(body)}")
        content = body
    elif body is not None:
        head.append("transfer-encoding: chunked")
        content = b"".join(chunked(piece) for piece in body) + chunked(b"")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + content


def chunked(piece: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
