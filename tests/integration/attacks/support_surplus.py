"""Services that answer twice: the second answer comes at once, or up to 200 ms later while nothing is asked.

A second answer that is on its way when the next request is written can't be told from the answer to that (SECURITY.md).
So these services send none once a byte of the next request has arrived. Their loop is the gateway's: what they see of a
socket is true when they write to it.
"""

import asyncio
import contextlib
import random
import re
import select
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

LONGEST_DELAY = 0.2

Answer = Callable[[bytes, bytes], bytes]
"""The whole answer to a request of this head and this body."""


class Reader(asyncio.StreamReader):
    """`asked` is set when bytes arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    def feed_data(self, data: Any) -> None:
        self.asked.set()
        super().feed_data(data)


class DoubleAnswerer:
    """A service at `url`, or at `proxy` by CONNECT. `seconds`: how many second answers it has sent."""

    def __init__(self, answer: Answer, rng: random.Random, tls: ssl.SSLContext | None, *, tunnel: bool) -> None:
        self.seconds = 0
        self.url = self.proxy = ""
        self._answer = answer
        self._rng = rng
        self._tls = tls
        self._tunnel = tunnel
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """It serves meanwhile."""
        tls = None if self._tunnel else self._tls
        server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://localhost:{80 if self._tunnel else port}"
        self.proxy = f"http://127.0.0.1:{port}" if self._tunnel else ""
        try:
            yield
        finally:
            server.close()
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = Reader()
        return asyncio.StreamReaderProtocol(reader, lambda _, writer: self._accept(reader, writer))

    async def _accept(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (EOFError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            return
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        if self._tunnel:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if self._tls is not None:
                await writer.start_tls(self._tls)
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            reader.asked.clear()
            answer = self._answer(head, body)
            match self._rng.randrange(3):
                case 0:
                    writer.write(answer)
                case 1:
                    writer.write(answer + answer)
                    self.seconds += 1
                case 2:
                    writer.write(answer)
                    await self._second(reader, writer, answer)

    async def _second(self, reader: Reader, writer: asyncio.StreamWriter, answer: bytes) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rng.uniform(0, LONGEST_DELAY)):
                await reader.asked.wait()
        unread = select.poll()
        unread.register(writer.get_extra_info("socket").fileno(), select.POLLIN)
        if not (reader.asked.is_set() or unread.poll(0)):
            writer.write(answer)
            self.seconds += 1
