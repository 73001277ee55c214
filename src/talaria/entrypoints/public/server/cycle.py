"""One request and its answer on a client connection: what the app gets in place of an ASGI scope.

An answer goes out in one of two ways: `respond` writes one that is whole, in one piece; `begin`, `write` and `finish`
stream one. With the last byte of its length it is complete: whoever leaves then, with all that he asked for, has not
left it behind. Framing is decided here (RFC 9112, section 6), so the app's headers never hold `transfer-encoding`, nor
`connection` but to close.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from talaria.domain.errors import ClientGone, Refusal
from talaria.domain.http import Headers

if TYPE_CHECKING:
    from talaria.entrypoints.public.server.connection import Connection

_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase if status in set(HTTPStatus) else ''}\r\n".encode()
    for status in range(100, 600)
}
_NO_BODY = frozenset({204, 304})
_RESET = struct.pack("ii", 1, 0)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Cycle:
    """Fulfils `guard.Arrival`.

    `broken`: the framing of the body is broken. `refusal`: what the head alone earns. `afterwards`: what the bytes
    behind this request earn, once it is answered. `on_gone` is called once if the client leaves before its answer.
    """

    __slots__ = (
        "_arrived", "_bodyless", "_chunking", "_held", "_left", "_waiting", "afterwards", "broken", "chunked",
        "connection", "disconnected", "expects", "headers", "idle_timeout", "keep_alive", "length", "method",
        "more_body", "old", "on_gone", "refusal", "response_complete", "response_started", "target",
    )  # fmt: skip

    def __init__(self, connection: "Connection", method: str, target: bytes, headers: Headers) -> None:
        self.connection = connection
        self.method = method
        self.target = target
        self.headers = headers
        self.length: int | None = None
        self.chunked = self.expects = self.old = False
        self.refusal: Refusal | None = None
        self.afterwards: Refusal | None = None
        self.broken = self.disconnected = self.response_started = self.response_complete = False
        self.keep_alive = True
        self.more_body = True
        self.idle_timeout = 60.0
        self.on_gone: Callable[[], object] | None = None
        self._arrived: list[bytes] = []
        self._held = 0
        self._left = -1
        self._waiting: asyncio.Future[None] | None = None
        self._bodyless = self._chunking = False

    @property
    def peer(self) -> str:
        """The address of the TCP peer."""
        return self.connection.peer

    @property
    def scheme(self) -> str:
        """What the client spoke to us: http or https."""
        return self.connection.scheme or "http"

    # The request's body

    @property
    def bodiless(self) -> bool:
        """Is it known by now that the body holds nothing?"""
        return not (self.more_body or self._arrived or self.broken)

    async def receive(self) -> tuple[bytes, bool]:
        """What has arrived of the body since the last time, and whether more is to come; waits until there is any.

        Raises ClientGone.
        """
        if self.expects and not self.response_started:
            self.expects = False
            self.connection.transport.write(_CONTINUE)
        while not (self._arrived or self.broken or self.disconnected) and self.more_body:
            self.connection.flow.resume_reading()
            self._waiting = self.connection.loop.create_future()
            await self._waiting
        if self.disconnected:
            raise ClientGone
        arrived, self._arrived, self._held = b"".join(self._arrived), [], 0
        return arrived, self.more_body

    def feed(self, data: bytes) -> int:
        """A piece of the body has arrived; how much waits to be read."""
        if not self.response_complete:
            self._arrived.append(data)
            self._held += len(data)
            self.wake()
        return self._held

    def wake(self) -> None:
        """Something has changed for who waits in `receive`."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def gone(self) -> None:
        """The connection is lost before the answer was complete."""
        self.disconnected = True
        self.wake()
        if self.on_gone is not None:
            self.on_gone()

    # The answer

    @property
    def congested(self) -> bool:
        """Does the client not read what was sent so far?"""
        return self.connection.flow.write_paused

    async def drained(self) -> None:
        """Wait until the client reads. Raises ClientGone when it has not for the idle time."""
        try:
            async with asyncio.timeout(self.idle_timeout):
                await self.connection.flow.drain()
        except TimeoutError:
            self.abort()
            raise ClientGone("does not read its answer") from None

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer, in one write. `headers` hold its length, where it has one."""
        if self.disconnected:
            return
        head = self._head(status, headers, len(body))
        data = head if self._bodyless else head + body
        if self.keep_alive and self.afterwards is None:
            self.connection.outbox.write(self.connection.loop, self.connection.send, data)
        else:
            self.connection.transport.write(data)  # more is written, or closed, in this turn
        self._complete()

    def begin(self, status: int, headers: Headers) -> None:
        """The head of an answer whose body follows."""
        if self.disconnected:
            return
        self.connection.transport.write(self._head(status, headers, None))
        if not self._bodyless:
            length = next((value for name, value in headers if name == b"content-length"), b"")
            self._is_left(int(length) if length.isdigit() else -1)

    async def write(self, data: bytes) -> None:
        """A piece of the body. Waits while the client does not read. Raises ClientGone."""
        if self.connection.flow.write_paused and not self.disconnected:
            await self.drained()
        if self.disconnected:
            raise ClientGone
        if data and not (self._bodyless or self.response_complete):
            self.connection.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunking else data)
            self._is_left(self._left - len(data))

    def finish(self) -> None:
        """The end of the body."""
        if self.disconnected or self.response_complete:
            return
        if self._chunking:
            self.connection.transport.write(b"0\r\n\r\n")
        self._complete()

    def abort(self) -> None:
        """Cut the connection: what was sent of the answer so far is not whole."""
        if self.response_complete:
            return
        self.disconnected = True
        if self.response_started and self._left < 0 and not (self._chunking or self._bodyless):
            _let_close_reset(self.connection.transport)
        self.connection.transport.abort()

    def _head(self, status: int, headers: Headers, size: int | None) -> bytes:
        """The head; `size` is that of the body, where it is known."""
        self.response_started = True
        self._bodyless = self.method == "HEAD" or status in _NO_BODY
        if self.more_body and (self.chunked or self.length):
            self.keep_alive = False  # an answer before the end of its request: nobody waits for the rest
        content = [_STATUS_LINES[status]]
        sized = self._bodyless
        for name, value in headers:
            if name == b"content-length":
                sized = True
            elif name == b"connection":
                self.keep_alive = False
                continue
            content += (name, b": ", value, b"\r\n")
        if not sized:
            content.append(self._framing(size))
        content.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(content)

    def _framing(self, size: int | None) -> bytes:
        if size is not None:
            return b"content-length: %d\r\n" % size
        if self.old:
            self.keep_alive = False
            return b""
        self._chunking = True
        return b"transfer-encoding: chunked\r\n"

    def _is_left(self, left: int) -> None:
        """So many bytes of the body are; below zero where its length is not known."""
        self._left = left
        if left == 0:
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.connection.answered(self)


def _let_close_reset(transport: asyncio.Transport) -> None:
    """For a body that has no other end than that of the connection: a plain end would say that it is whole."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


App = Callable[[Cycle], Coroutine[Any, Any, None]]
"""Answers one request; never raises."""
