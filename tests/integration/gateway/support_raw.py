"""HTTP/1.1 by hand, over plain sockets, for both sides of the gateway.

No library of the gateway's own is used here, nor any that would tidy up what is on the wire: names keep their case,
lines their order, and a body is read by the framing that really came.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from tests.support_address import refusing

Lines = list[tuple[bytes, bytes]]

SECONDS = 30.0
"""How long a test waits for anything before it fails."""


@dataclass
class Head:
    """The first line and the header lines of a message, as they came."""

    first: bytes
    lines: Lines

    @classmethod
    def parse(cls, raw: bytes) -> "Head":
        """`raw`: up to and including the empty line."""
        first, *rest = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
        lines = []
        for line in rest:
            name, colon, value = line.partition(b":")
            assert colon, line
            assert name == name.strip(), line
            lines.append((name, value.strip(b" \t")))
        return cls(first, lines)

    def all(self, name: str) -> list[str]:
        """Every value of this name, in order; names are compared without case."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.lines if key.lower() == wanted]

    def one(self, name: str) -> str:
        """The value where there is one line of this name, and no more."""
        (value,) = self.all(name)
        return value

    def names(self) -> list[str]:
        """Names in lower case, in the order of their lines."""
        return [name.decode("latin-1").lower() for name, _ in self.lines]


async def read_head(reader: asyncio.StreamReader) -> Head:
    """The next head. Raises IncompleteReadError at the end of the connection."""
    return Head.parse(await reader.readuntil(b"\r\n\r\n"))


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """The next chunk of a chunked body, b"" at its end; the end has no trailers."""
    size = int(await reader.readuntil(b"\r\n"), 16)
    chunk = await reader.readexactly(size)
    assert await reader.readexactly(2) == b"\r\n"
    return chunk


async def read_body(reader: asyncio.StreamReader, head: Head) -> bytes:
    """A body that is framed by its length or in chunks; without either there is none."""
    if head.all("transfer-encoding"):
        assert head.one("transfer-encoding") == "chunked"
        assert not head.all("content-length")
        chunks = []
        while chunk := await read_chunk(reader):
            chunks.append(chunk)
        return b"".join(chunks)
    lengths = head.all("content-length")
    return await reader.readexactly(int(lengths[0])) if lengths else b""


@dataclass
class Line:
    """A server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Write, and wait until most of it has left. Raises ConnectionError where the other side is gone."""
        if self.writer.is_closing():
            raise ConnectionResetError  # uvloop says RuntimeError
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with RST."""
        reset(self.writer)

    async def gone(self) -> None:
        """Wait until the other side has closed."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


Serve = Callable[[Head, Line], Awaitable[None]]


@dataclass
class RawServer:
    """Listens on loopback; `serve` is called for each request's head and reads the body itself, if it wants to.

    A connection is kept while `serve` returns, and closed when it raises EOFError. `heads`: those that came.
    """

    serve: Serve
    port: int = 0
    connections: int = 0
    open: int = 0
    heads: list[Head] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    failures: list[BaseException] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, inside of `listening`; again after `stop`."""
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=2048)

    async def stop(self) -> None:
        """Listen no more, and cut what is open."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """From `start` to `stop`, at one port. A server that is left behind keeps uvloop from ever closing its loop."""
        with refusing() as (_, self.port):
            await self.start()
            try:
                yield
            finally:
                await self.stop()

    async def until(self, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait until a request or a connection came or went and the condition holds."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(condition)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            await self._requests(Line(reader, writer))
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            self._tasks.discard(task)
            self.open -= 1
            writer.close()
            await self._tell()

    async def _requests(self, line: Line) -> None:
        while True:
            head = await read_head(line.reader)
            self.heads.append(head)
            await self._tell()
            await self.serve(head, line)

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()
