"""A connection without a socket: a transport that records, callbacks that count, and the bytes fed by hand."""

import asyncio
import itertools
import socket
from collections.abc import Callable

from talaria.adapters.http1.connect import Endpoint
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.errors import Http1Error
from talaria.adapters.http1.write_batcher import WriteBatcher
from talaria.domain.http import UpstreamResponse


class FakeTransport(asyncio.Transport):
    """Keeps what is written; `ended` says how it was ended."""

    PEER = ("192.0.2.1", 80)

    def __init__(self, sock: socket.socket | None = None) -> None:
        super().__init__({"peername": self.PEER, "socket": sock})
        self.written = b""
        self.writes = 0
        self.ended = ""
        self.reading = True
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)
        self.writes += 1

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever held back here."""

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Straight(WriteBatcher):
    """Writes at once: what a test has begun, it sees."""

    def write(self, loop: asyncio.AbstractEventLoop, write: Callable[[bytes], None], data: bytes) -> None:
        write(data)


class Harness:
    """One connection and the two ends of it that a test holds. Needs a running loop.

    `idle` and `forgotten` count what a pool would be told.
    """

    def __init__(self, batcher: WriteBatcher | None = None, sock: socket.socket | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = FakeTransport(sock)
        self.idle = 0
        self.forgotten = 0
        self._buffer = bytearray(64 * 1024)
        self.connection = Connection(
            self.loop, memoryview(self._buffer), batcher or Straight(), self._on_idle, self._on_closed
        )
        self.connection.connection_made(self.transport)

    def _on_idle(self, connection: Connection) -> None:
        self.idle += 1

    def _on_closed(self, connection: Connection) -> None:
        self.forgotten += 1

    def begin(self, method: str = "GET") -> "asyncio.Future[UpstreamResponse]":
        """A request without a body."""
        return self.connection.begin(b"x", method == "HEAD", self.loop.time() + 60, 60.0)

    async def owned(self, future: "asyncio.Future[UpstreamResponse]") -> UpstreamResponse:
        """Await it as its owner does."""
        try:
            return await future
        except BaseException:
            self.connection.abandon(future)
            raise

    def feed(self, *pieces: bytes) -> None:
        """Bytes of the peer; nothing more once the connection is ended, as with a real transport."""
        for piece in pieces:
            for at in range(0, len(piece), len(self._buffer)):
                part = piece[at : at + len(self._buffer)]
                if self.transport.ended:
                    return
                self.connection.get_buffer(-1)[: len(part)] = part
                self.connection.buffer_updated(len(part))

    def end_of_file(self) -> None:
        """The peer sends no more."""
        if not self.transport.ended:
            self.connection.eof_received()
            self.connection.connection_lost(None)


Outcome = tuple[int, list[tuple[bytes, bytes]], bytes, bool] | str


async def outcome_of(pieces: list[bytes], method: str = "GET", *, eof: bool = True) -> Outcome:
    """What one answer, cut into `pieces`, came to: status, headers, body, kept alive; or the name of the error."""
    harness = Harness()
    future = harness.begin(method)
    harness.feed(*pieces)
    kept = harness.idle == 1 and not harness.transport.ended
    if eof:
        harness.end_of_file()
    try:
        answer = await future
        body = b"".join([chunk async for chunk in answer.body])
    except Http1Error as error:
        return type(error).__name__
    return answer.status, answer.headers, body, kept


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """`data` in pieces, cut at the given places."""
    places = [0, *sorted({place % (len(data) + 1) for place in at}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places) if a < b]


Answer = bytes | None
"""Bytes, or None for an end of file."""


class AnsweringTransport(FakeTransport):
    """Answers each write with the next of its answers, in the next turn of the loop; is silent after the last."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__()
        self.connection: Connection | None = None
        self._answers = answers

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        if self._answers:
            asyncio.get_running_loop().call_soon(self._answer, self._answers.pop(0))

    def _answer(self, answer: Answer) -> None:
        if self.connection is None or self.ended:
            return
        if answer is None:
            self.connection.eof_received()
            return
        self.connection.get_buffer(-1)[: len(answer)] = answer
        self.connection.buffer_updated(len(answer))


class Peer:
    """What is behind an endpoint: for each connection its answers, or the error that connecting meets."""

    def __init__(self, *connections: list[Answer] | BaseException) -> None:
        self.transports: list[AnsweringTransport] = []
        self._connections = list(connections)

    async def __call__(self, endpoint: Endpoint, protocol: Callable[[], Connection], /) -> Connection:
        found = self._connections.pop(0)
        if isinstance(found, BaseException):
            raise found
        transport, connection = AnsweringTransport(found), protocol()
        transport.connection = connection
        self.transports.append(transport)
        connection.connection_made(transport)
        return connection

    @property
    def written(self) -> list[bytes]:
        """What each connection was sent."""
        return [transport.written for transport in self.transports]
