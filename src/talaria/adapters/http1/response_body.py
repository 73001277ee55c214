"""The body of a response: a stream that holds little and stops the sender while it is not read."""

from asyncio import CancelledError, Future, get_running_loop
from collections import deque
from typing import Final, Protocol, Self

HIGH_WATER: Final = 32 * 1024
LOW_WATER: Final = 8 * 1024


class BodySource(Protocol):
    """What a body needs of the connection that feeds it."""

    def touch(self) -> None:
        """The reader has moved: the idle timeout begins anew."""

    def pause_reading(self) -> None:
        """Read no more from the socket."""

    def resume_reading(self) -> None:
        """Read again."""

    def fail(self, error: BaseException) -> None:
        """Close at once."""


class BufferedBody:
    """A body that is complete already."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The whole body, once."""
        content, self._content = self._content, b""
        if not content:
            raise StopAsyncIteration
        return content

    async def aclose(self) -> None:
        """Nothing more will be read."""
        self._content = b""


class StreamingBody:
    """A body that is still arriving. Its connection feeds it, one reader reads it.

    Past HIGH_WATER unread bytes the connection stops reading from its socket, at LOW_WATER it goes on.
    """

    __slots__ = ("_chunks", "_error", "_held", "_paused", "_source", "_waiter")

    def __init__(self, source: BodySource) -> None:
        self._source: BodySource | None = source
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._paused = False
        self._error: BaseException | None = None
        self._waiter: Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk, never empty.

        Raises ConnectionClosed, RemoteProtocolError or ReadTimeout once what had arrived before is read. Being
        cancelled here gives the body up.
        """
        while not self._chunks:
            if self._source is None:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            await self._arrival()
        chunk = self._chunks.popleft()
        self._held -= len(chunk)
        if self._source is not None:
            self._source.touch()
            if self._paused and self._held <= LOW_WATER:
                self._paused = False
                self._source.resume_reading()
        return chunk

    async def _arrival(self) -> None:
        self._waiter = get_running_loop().create_future()
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
        self._error = None
        source, self._source = self._source, None
        if source is not None:
            source.fail(CancelledError())

    def feed(self, data: bytes) -> None:
        """The connection's: more has arrived."""
        self._chunks.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause_reading()
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """The connection's: the end has arrived, or will not for `error`."""
        source, self._source = self._source, None
        if source is not None:
            if self._paused and error is None:
                source.resume_reading()
            self._error = error
            self._wake()

    def take_all(self) -> bytes:
        """What has arrived and is not yet read, in one piece."""
        content = b"".join(self._chunks)
        self._chunks.clear()
        return content

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
