"""The body of an answer: a stream that holds little and stops the sender while nobody reads."""

from asyncio import CancelledError
from collections import deque
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from asyncio import Future

    from talaria.adapters.http1.connection import Connection

HIGH_WATER: Final = 32 * 1024
LOW_WATER: Final = 8 * 1024


class ArrivedBody:
    """A body that is complete already."""

    __slots__ = ("_whole",)

    def __init__(self, whole: bytes) -> None:
        self._whole = whole

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The whole body, once."""
        whole, self._whole = self._whole, b""
        if not whole:
            raise StopAsyncIteration
        return whole

    async def aclose(self) -> None:
        """Nothing more will be read."""
        self._whole = b""


class AnswerBody:
    """A body that is still arriving. Its connection feeds it, one reader reads it.

    Past HIGH_WATER unread bytes the connection stops reading from its socket, at LOW_WATER it goes on.
    """

    __slots__ = ("_chunks", "_connection", "_error", "_held", "_stopped", "_waiter")

    def __init__(self, connection: "Connection") -> None:
        self._connection: Connection | None = connection
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._stopped = False
        self._error: BaseException | None = None
        self._waiter: Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk, never empty.

        Raises Unreachable, BadAnswer or TimedOut once what had arrived before is read. Being
        cancelled here gives the body up.
        """
        while not self._chunks:
            if self._connection is None:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            await self._arrival(self._connection)
        chunk = self._chunks.popleft()
        self._held -= len(chunk)
        if self._connection is not None:
            self._connection.touch()
            if self._stopped and self._held <= LOW_WATER:
                self._stopped = False
                self._connection.resume_reading()
        return chunk

    async def _arrival(self, connection: "Connection") -> None:
        self._waiter = connection.loop.create_future()
        try:
            await self._waiter
        except BaseException:
            self.drop()
            raise
        finally:
            self._waiter = None

    async def aclose(self) -> None:
        """Nothing more will be read. Where the end has not arrived, the connection is closed at once."""
        self.drop()

    def drop(self) -> None:
        """As `aclose`, without awaiting."""
        self._chunks.clear()
        self._held = 0
        self._error = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.fail(CancelledError())

    def feed(self, data: bytes) -> None:
        """The connection's: more has arrived."""
        self._chunks.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER and not self._stopped and self._connection is not None:
            self._stopped = True
            self._connection.pause_reading()
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """The connection's: the end has arrived, or will not for `error`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._stopped and error is None:
                connection.resume_reading()
            self._error = error
            self._wake()

    def take_all(self) -> bytes:
        """What has arrived and is not yet read, in one piece."""
        whole = b"".join(self._chunks)
        self._chunks.clear()
        self._held = 0
        return whole

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
