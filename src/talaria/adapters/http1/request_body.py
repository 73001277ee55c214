"""The body of a request, on its way. It runs as a task of its own, so that an answer may come before its end."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from talaria.adapters.http1.last_words import LastWords
from talaria.domain.errors import BadRequest

if TYPE_CHECKING:
    from talaria.adapters.http1.connection import Connection

JOINED_AT_MOST: Final = 16 * 1024
"""A body of up to so many bytes is awaited and leaves together with the head: one write."""

_BREATH: Final = 128 * 1024
"""So many bytes leave before the loop is given a turn, though neither the body nor the transport should wait for it."""


class Upload:
    """Sends a head and a body: `length` bytes of it, or chunked where that is None. `sent`: the last byte is written.

    How long the body may be silent is its own matter; `starved`: time was up while it was. What the body raises ends
    the connection and reaches the owner unchanged; BadRequest where it is shorter or longer than its length.
    """

    __slots__ = ("_body", "_length", "_task", "last_words", "sent", "starved")

    def __init__(self, body: AsyncIterator[bytes], length: int | None) -> None:
        self.sent = self.starved = False
        self.last_words: LastWords | None = None
        self._body = body
        self._length = length
        self._task: asyncio.Task[None] | None = None

    def start(self, connection: "Connection", head: bytes, deadline: float) -> None:
        """Begin to send. `deadline`, by the loop's clock, is never outlived."""
        if self._length is None or self._length > JOINED_AT_MOST:
            self.last_words = connection.last_words()
            connection.write(head, deadline)
            head = b""
        self._task = connection.loop.create_task(self._run(connection, head, deadline))

    def stop(self) -> None:
        """Send no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self.last_words is not None:
            self.last_words.close()
            self.last_words = None

    async def _run(self, connection: "Connection", head: bytes, deadline: float) -> None:
        unbroken = 0
        try:
            async for piece in self._pieces(head):
                connection.write(piece, deadline)
                unbroken += len(piece)
                if connection.blocked:
                    await connection.taken(deadline)
                elif unbroken > _BREATH:
                    await asyncio.sleep(0)
                else:
                    continue
                unbroken = 0
        except BaseException as error:
            if self._task is not None:
                self._task = None
                connection.fail(error)

    def _pieces(self, head: bytes) -> AsyncIterator[bytes]:
        return self._chunks() if self._length is None else self._measured(head, self._length)

    async def _measured(self, head: bytes, length: int) -> AsyncIterator[bytes]:
        left = length
        held = head
        if not left:
            self.sent = True
            yield head
        async for piece in self._body:
            left -= len(piece)
            if left < 0:
                raise BadRequest("the body is longer than its length")
            if piece:
                self.sent = not left
                yield held + piece if held else piece
                held = b""
        if left:
            raise BadRequest("the body is shorter than its length")

    async def _chunks(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            if piece:
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
        self.sent = True
        yield b"0\r\n\r\n"
