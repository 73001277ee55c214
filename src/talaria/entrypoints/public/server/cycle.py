"""One request and its response on a client's connection: what the application gets in place of an ASGI scope.

A response goes out in one of two ways: `respond` writes a complete one in one piece; `begin`, `write` and `finish`
stream one. A sized response is complete with the last byte of its length: a disconnect after that is no aborted
response. Framing is decided here (RFC 9112, section 6), so the application's headers never hold `transfer-encoding`,
nor `connection` but to close.
"""

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Protocol

from talaria.domain.errors import ClientGone, Refusal
from talaria.domain.events import RequestContext
from talaria.domain.http import BODYLESS_STATUSES, ClientRequest, ClientResponse, Headers
from talaria.entrypoints.public.server.framing import NO_BODY, Framing

STATUS_LINES = {
    status: f"HTTP/1.1 {status} {HTTPStatus(status).phrase if status in set(HTTPStatus) else ''}\r\n".encode()
    for status in range(100, 600)
}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Link(Protocol):
    """What a request needs of the connection that it came on."""

    loop: asyncio.AbstractEventLoop
    peer: str
    scheme: str
    write_paused: bool

    def write(self, data: bytes) -> None:
        """Write now."""

    def write_batched(self, data: bytes) -> None:
        """Write at the end of this turn of the event loop, together with the writes of other connections."""

    async def drain(self) -> None:
        """Wait until the write buffer is below its low-water mark."""

    def pause_reading(self) -> None:
        """Take no more bytes from the client for now."""

    def resume_reading(self) -> None:
        """Take bytes from the client again."""

    def abort(self, *, reset: bool) -> None:
        """Cut the connection. `reset`: by RST, never by a plain end that would say that the body is complete."""

    def on_complete(self, cycle: "RequestResponseCycle") -> None:
        """The response of this cycle is written."""


class FirstTry(Protocol):
    """A request that was sent to its upstream already, by the fast path."""

    async def resume(self, request: ClientRequest, context: RequestContext, /) -> ClientResponse:
        """The response to it, or to what follows it."""
        ...


class RequestResponseCycle:
    """A request as it arrives, and the way back to its client.

    `peer`: the address of the TCP peer. `scheme`: http or https. `refusal`: what the head alone is refused with.
    `broken`: the framing of the body broke. `final_error`: what the bytes behind this request are refused with, once it
    is answered. `on_disconnect` is called once if the client disconnects before the response is complete.
    `first_try`: it was sent already.
    `ended_at`: when the last byte of the body arrived, by the loop's clock; None before.
    `idle_timeout`: the longest time in seconds in which the client may read nothing of a streamed response.
    """

    __slots__ = (
        "_arrived", "_bodyless", "_buffered", "_chunking", "_left", "_link", "_waiter", "broken", "disconnected",
        "ended_at", "final_error", "first_try", "framing", "headers", "http10", "idle_timeout", "keep_alive", "method",
        "more_body", "on_disconnect", "peer", "refusal", "response_complete", "response_started", "scheme", "target",
    )  # fmt: skip

    def __init__(
        self, link: Link, method: str, target: bytes, headers: Headers, framing: Framing, *, http10: bool = False
    ) -> None:
        self._link = link
        self.method = method
        self.target = target
        self.headers = headers
        self.framing = framing
        self.http10 = http10
        self.peer = link.peer
        self.scheme = link.scheme
        self.refusal = framing.refusal
        self.final_error: Refusal | None = None
        self.broken = self.disconnected = self.response_started = self.response_complete = False
        self.keep_alive = self.more_body = True
        self.ended_at: float | None = None
        self.first_try: FirstTry | None = None
        self.idle_timeout = 60.0
        self.on_disconnect: Callable[[], object] | None = None
        self._arrived: list[bytes] = []
        self._buffered = 0
        self._left = -1
        self._waiter: asyncio.Future[None] | None = None
        self._bodyless = self._chunking = False

    # The request's body

    @property
    def body_is_empty(self) -> bool:
        """Is it known by now that the body holds nothing?"""
        return not (self.more_body or self._arrived or self.broken)

    async def receive(self) -> tuple[bytes, bool]:
        """What has arrived of the body since the last call, and whether more is to come. Waits until there is any.

        Raises ClientGone.
        """
        if self.framing.expects_continue and not self.response_started:
            self.framing = self.framing._replace(expects_continue=False)
            self._link.write(_CONTINUE)
        while not (self._arrived or self.broken or self.disconnected) and self.more_body:
            self._link.resume_reading()
            self._waiter = self._link.loop.create_future()
            await self._waiter
        if self.disconnected:
            raise ClientGone
        arrived, self._arrived, self._buffered = b"".join(self._arrived), [], 0
        return arrived, self.more_body

    def feed(self, data: bytes) -> int:
        """Take a piece of the body. Gives the number of bytes that wait to be received."""
        if not self.response_complete:
            self._arrived.append(data)
            self._buffered += len(data)
            self._wake()
        return self._buffered

    def feed_eof(self) -> None:
        """The body has ended."""
        self.more_body = False
        if self.framing is not NO_BODY:
            self.ended_at = self._link.loop.time()
        self._wake()

    def break_body(self) -> None:
        """The framing of the body is broken: the request fails, and is the last one of its connection."""
        self.broken = True
        self.keep_alive = False
        self._wake()

    def disconnect(self) -> None:
        """The connection is lost before the response is complete."""
        self.disconnected = True
        self._wake()
        if self.on_disconnect is not None:
            self.on_disconnect()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The response

    @property
    def write_paused(self) -> bool:
        """Is the write buffer above its high-water mark?"""
        return self._link.write_paused

    async def drain(self) -> None:
        """Wait until the client has read enough. Raises ClientGone when it reads nothing for `idle_timeout`."""
        try:
            async with asyncio.timeout(self.idle_timeout):
                await self._link.drain()
        except TimeoutError:
            self.abort()
            raise ClientGone("does not read its answer") from None

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Write a complete response at once. `headers` hold its length, where it has one."""
        if self.disconnected:
            return
        head = self._head(status, headers, len(body))
        data = head if self._bodyless else head + body
        if self.keep_alive and self.final_error is None:
            self._link.write_batched(data)
        else:
            self._link.write(data)  # more is written, or the connection closed, in this turn
        self._complete()

    def begin(self, status: int, headers: Headers) -> None:
        """Write the head of a response; its body follows."""
        if self.disconnected:
            return
        self._link.write(self._head(status, headers, None))
        if not self._bodyless:
            length = next((value for name, value in headers if name == b"content-length"), b"")
            self._set_left(int(length) if length.isdigit() else -1)

    async def write(self, data: bytes) -> None:
        """Write a piece of the body. Waits while the client does not read. Raises ClientGone."""
        if self._link.write_paused and not self.disconnected:
            await self.drain()
        if self.disconnected:
            raise ClientGone
        if data and not (self._bodyless or self.response_complete):
            self._link.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunking else data)
            self._set_left(self._left - len(data))

    def finish(self) -> None:
        """End the body."""
        if self.disconnected or self.response_complete:
            return
        if self._chunking:
            self._link.write(b"0\r\n\r\n")
        self._complete()

    def abort(self) -> None:
        """Cut the connection: what was sent of the response so far is not complete."""
        if self.response_complete:
            return
        self.disconnected = True
        ends_with_connection = self.response_started and self._left < 0 and not (self._chunking or self._bodyless)
        self._link.abort(reset=ends_with_connection)

    def _head(self, status: int, headers: Headers, size: int | None) -> bytes:
        """The head; `size` is that of the body, where it is known."""
        self.response_started = True
        self._bodyless = self.method == "HEAD" or status in BODYLESS_STATUSES
        if self.more_body and (self.framing.chunked or self.framing.length):
            self.keep_alive = False  # a response before the end of its request: the rest is not waited for
        content = [STATUS_LINES[status]]
        sized = self._bodyless
        for name, value in headers:
            if name == b"content-length":
                sized = True
            elif name == b"connection":
                self.keep_alive = False
                continue
            content += (name, b": ", value, b"\r\n")
        if not sized:
            content.append(self._framing_line(size))
        content.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        return b"".join(content)

    def _framing_line(self, size: int | None) -> bytes:
        if size is not None:
            return b"content-length: %d\r\n" % size
        if self.http10:
            self.keep_alive = False
            return b""
        self._chunking = True
        return b"transfer-encoding: chunked\r\n"

    def _set_left(self, left: int) -> None:
        """So many bytes of the body are left; below zero where its length is not known."""
        self._left = left
        if left == 0:
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self._link.on_complete(self)


App = Callable[[RequestResponseCycle], Coroutine[Any, Any, None]]
"""Answers one request; never raises."""
