"""The body of a request as HTTP/1.1 frames it, and what a peer may answer meanwhile. Knows no connection."""

import contextlib
import os
from asyncio import Transport
from collections.abc import AsyncIterator
from typing import Final, Self

from talaria.adapters.http1.errors import BodyLengthMismatch

JOINED_AT_MOST: Final = 16 * 1024
"""A request's body of up to so many bytes is awaited and leaves together with the head: one write."""
YIELD_EVERY: Final = 128 * 1024
"""Bytes of a request's body after which the loop gets a turn, though neither body nor transport should wait for it."""

_READ_AT_MOST: Final = 64 * 1024


class BodyWriter:
    """Frames a body: `length` bytes of it, or chunked where that is None. `complete`: its last byte has been given."""

    __slots__ = ("_body", "complete", "length")

    def __init__(self, body: AsyncIterator[bytes], length: int | None) -> None:
        self.length = length
        self.complete = False
        self._body = body

    def pieces(self, head: bytes) -> AsyncIterator[bytes]:
        """The bytes to write, never empty; the first ones begin with `head`.

        Raises BodyLengthMismatch, and what the body itself raises, unchanged.
        """
        return self._chunked(head) if self.length is None else self._sized(head, self.length)

    async def _sized(self, head: bytes, length: int) -> AsyncIterator[bytes]:
        left = length
        if not left:
            self.complete = True
            yield head
            head = b""
        async for piece in self._body:
            left -= len(piece)
            if left < 0:
                raise BodyLengthMismatch("the body is longer than its length")
            if piece:
                self.complete = not left
                yield head + piece if head else piece
                head = b""
        if left:
            raise BodyLengthMismatch("the body is shorter than its length")

    async def _chunked(self, head: bytes) -> AsyncIterator[bytes]:
        async for piece in self._body:
            if piece:
                yield b"%b%x\r\n%b\r\n" % (head, len(piece), piece)
                head = b""
        self.complete = True
        yield head + b"0\r\n\r\n"


class PendingResponseReader:
    """Reads the response of a peer that closed in the middle of an upload.

    Many servers answer 413, say, and close with the body unread. The next write then fails, and the event loop closes
    the socket with the response still in it. A second handle on the socket outlives that. Only for a connection
    without TLS, and no longer than the upload.
    """

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def of(cls, transport: Transport) -> Self | None:
        """None where the socket does not carry the plain response, or there is no socket."""
        sock = transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0 or transport.get_extra_info("ssl_object") is not None:
            return None
        try:
            return cls(os.dup(sock.fileno()))
        except OSError:  # no descriptor left: the upload goes on without
            return None

    def read(self) -> bytes:
        """What has arrived and was not read."""
        pending = b""
        with contextlib.suppress(OSError):
            while len(pending) < _READ_AT_MOST and (more := os.read(self._fd, _READ_AT_MOST)):
                pending += more
        return pending

    def close(self) -> None:
        """Release the handle."""
        os.close(self._fd)
