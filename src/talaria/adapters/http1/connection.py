"""One connection, one request at a time.

State machine
=============

Everything that moves a connection from one state to another is in this file, and nothing else writes to its transport.

    IDLE ──begin()──> HEAD ──final head──> BODY ──last byte──> IDLE
      │                 │  └─ whole response in one piece ───────^
      └────────┬────────┴─────────────────────┘
            CLOSED

IDLE     Only the pool holds the connection. Nothing may arrive: a byte, an end of file, a loss closes it.
HEAD     A request owns it, by the future that `begin` returned, or its receiver. The head is written at the end of the
         turn; with a body, a task of the connection writes both. Bytes that arrive before that are no response, and
         neither are those that lie in the socket when it is written: the socket of a kept connection is asked first.
         Interim responses (1xx, at most 20, never 101) are skipped.
BODY     The reader of the response's body owns it. Only bytes of the response arrive, nothing is written.
CLOSED   The pool has forgotten it. There is no way back.

Only the request that owns the connection writes, in HEAD. The final head ends the writing: the task that still writes
a body is cancelled then, and the connection is not used again.

From the last byte it goes back to IDLE only where all of these hold: the request was sent to its end, both sides said
keep-alive, the body had an end of its own, and not one byte came after it, nor can more be held back by TLS, which
gives at most a full buffer at once. Else it is closed. So a surplus byte never becomes the start of another response.

What ends it: a refusal of the strict reader (RemoteProtocolError), a loss (ConnectionClosed), the clock (ReadTimeout,
WriteTimeout), an error of the request's body (unchanged), the owner giving up. The owner gets it once. An owner that
was cancelled, and runs only after the connection was reused, does not close it.

The clock is `_deadline`: for the head of the response first, from the last byte of the request on; then for each
silence. While a request's body is awaited there is none: its source has limits of its own.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

from talaria.adapters.http1.body_framing import BodyReader, body_reader
from talaria.adapters.http1.errors import ConnectionClosed, ReadTimeout, RemoteProtocolError, WriteTimeout
from talaria.adapters.http1.plain_responses import Receiver
from talaria.adapters.http1.request_body import JOINED_AT_MOST, YIELD_EVERY, BodyWriter, PendingResponseReader
from talaria.adapters.http1.response_body import BufferedBody, StreamingBody
from talaria.adapters.http1.response_head import ResponseHead, ResponseHeadParser
from talaria.adapters.http1.timer import NEVER, MovableDeadline
from talaria.adapters.http1.write_batcher import WriteBatcher
from talaria.domain.http import UpstreamResponse

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
CLOSED: Final = 3

_NOT_IDLE: Final = "something arrived on the idle connection"


class Connection(asyncio.BufferedProtocol):
    """See the state machine above.

    `served` counts the responses that it has brought; `heard` says whether the present request has had any byte back;
    `used_since_sweep` and `expires_at` belong to the pool. `on_idle` and `on_closed` are told of these two states.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        buffer: memoryview,
        batcher: WriteBatcher,
        on_idle: "Callable[[Connection], None]",
        on_closed: "Callable[[Connection], None]",
    ) -> None:
        self.loop = loop
        self.served = 0
        self.heard = False
        self.used_since_sweep = True
        self.expires_at = NEVER
        self._buffer = buffer
        self._batcher = batcher
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._state = IDLE
        self._transport: asyncio.Transport
        self._write: Callable[[bytes], None]
        self._future: asyncio.Future[UpstreamResponse] | None = None
        self._receiver: Receiver | None = None
        self._body: StreamingBody | None = None
        self._body_reader: BodyReader | None = None
        self._head_parser = ResponseHeadParser()
        self._deadline = MovableDeadline(loop, self._on_timeout)
        self._idle_timeout = 0.0
        self._to_head = self._reusable = self._written = self._buffer_full = False
        self._socket = select.poll()
        self._request_body: BodyWriter | None = None
        self._body_task: asyncio.Task[None] | None = None
        self._pending_response: PendingResponseReader | None = None
        self._drained: asyncio.Future[None] | None = None

    # What the owner does.

    @property
    def closed(self) -> bool:
        """Is this connection of no use any more?"""
        return self._state == CLOSED

    @property
    def peer(self) -> tuple[str, int]:
        """The address and the port at the other end."""
        return cast(tuple[str, int], self._transport.get_extra_info("peername", ("", 0))[:2])

    @property
    def certificate_end(self) -> str:
        """Until when the certificate at the other end is good, as `ssl` writes it; empty where there is none."""
        certificate = self._transport.get_extra_info("peercert") or {}
        return str(certificate.get("notAfter", ""))

    def begin(
        self, request: bytes, to_head: bool, deadline: float, idle_timeout: float, body: BodyWriter | None = None
    ) -> "asyncio.Future[UpstreamResponse]":
        """Send a request, of which `request` is the whole head, and `body` the body if it has one.

        `deadline` is for the head of the response, by the loop's clock; what is left of it begins behind the last byte
        of `body`. `idle_timeout` (seconds) is for a silence of the peer inside either body. The future brings the
        response or what ended the connection; an owner that stops waiting for it calls `abandon`.
        """
        self._state = HEAD
        self._written = self.heard = False
        self._to_head, self._idle_timeout = to_head, idle_timeout
        self._deadline.move(deadline)
        future = self._future = self.loop.create_future()
        if body is None:
            self._batcher.write(self.loop, self._send, request)
        elif self._is_not_idle():
            self._fail_closed(_NOT_IDLE)
        else:
            self._request_body = body
            self._begin_request_body(request, body, deadline - self.loop.time())
        return future

    def begin_for(self, receiver: Receiver, request: bytes, deadline: float) -> None:
        """Send a request, whole; `receiver` gets what comes back, until it leaves. Else as `begin`."""
        self._state, self._receiver = HEAD, receiver
        self._written = self.heard = False
        self._deadline.move(deadline)
        self._batcher.write(self.loop, self._send, request)

    def wait(self, idle_timeout: float, kept: bytes) -> "asyncio.Future[UpstreamResponse]":
        """The receiver leaves, and gives back what it kept: the future of its response, as `begin` gives one."""
        self._receiver, self._to_head, self._idle_timeout = None, False, idle_timeout
        future = self._future = self.loop.create_future()
        if kept:  # else nothing has been heard, or nothing even sent
            self._receive(kept)
        return future

    def abandon(self, future: "asyncio.Future[UpstreamResponse] | None") -> None:
        """The owner waits no more: give up its request, or its response. None: `begin` itself failed."""
        if future is None or future is self._future:
            if self._future is not None:
                self._future.cancel()
            self.fail(asyncio.CancelledError())
        elif not (future.cancelled() or future.exception()) and isinstance(body := future.result().body, StreamingBody):
            body.drop()

    def close(self) -> None:
        """Close where nothing is under way: politely, but for a request that was not sent to its end."""
        self._leave()
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def touch(self) -> None:
        """The body's: its reader has moved, so the idle timeout begins anew."""
        self._deadline.move(self.loop.time() + self._idle_timeout)

    def pause_reading(self) -> None:
        """The body's: it holds enough."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """The body's: it takes more."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # Writing.

    def _send(self, request: bytes) -> None:
        if self._state != HEAD or self._transport.is_closing():
            return
        if self.served and self._socket.poll(0):  # `_is_not_idle`, without a call for each request
            self._fail_closed(_NOT_IDLE)
            return
        self._written = True
        self._write(request)

    def _is_not_idle(self) -> bool:
        """Before the first write on a kept connection: has something arrived that the loop has not read yet?"""
        return self.served > 0 and bool(self._socket.poll(0))

    def _begin_request_body(self, head: bytes, body: BodyWriter, timeout: float) -> None:
        if body.length is None or body.length > JOINED_AT_MOST:
            self._pending_response = PendingResponseReader.of(self._transport)
            self._written = True
            self._write(head)
            head = b""
        self._body_task = self.loop.create_task(self._write_body(body.pieces(head), timeout))

    async def _write_body(self, pieces: AsyncIterator[bytes], timeout: float) -> None:
        """A task of its own, so that a response may come before the body's end.

        Until then the clock watches the peer taking what is written, and nothing else; `timeout` begins behind it.
        """
        unbroken = 0
        self._deadline.at = NEVER
        try:
            async for piece in pieces:
                if not self._written and self._is_not_idle():
                    raise ConnectionClosed(_NOT_IDLE)
                self._written = True
                self._write(piece)
                unbroken += len(piece)
                if self._drained is not None:
                    self._deadline.move(self.loop.time() + self._idle_timeout)
                    await self._drained
                    self._deadline.at = NEVER
                elif unbroken > YIELD_EVERY:
                    await asyncio.sleep(0)
                else:
                    continue
                unbroken = 0
            self._deadline.move(self.loop.time() + timeout)
        except BaseException as error:
            if self._body_task is not None:
                self._body_task = None
                self.fail(error)

    def _stop_request_body(self) -> None:
        self._request_body = None
        task, self._body_task = self._body_task, None
        if task is not None:
            task.cancel()
        if self._pending_response is not None:
            self._pending_response.close()
            self._pending_response = None

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        """The transport takes more."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # Reading.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS included."""
        self._transport = cast(asyncio.Transport, transport)
        self._write = self._transport.write
        sock = transport.get_extra_info("socket")
        if sock is not None:
            self._socket.register(sock.fileno(), select.POLLIN | select.POLLRDHUP)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to. One buffer serves all connections, for what is read is copied out at once."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes of the peer."""
        self._buffer_full = nbytes == len(self._buffer)
        self._receive(self._buffer[:nbytes].tobytes())

    def _receive(self, data: bytes) -> None:
        state = self._state
        try:
            if state == HEAD and self._written:
                self.heard = True
                if self._receiver is not None:
                    self._receiver.receive(data)
                elif (found := self._head_parser.read(data, self._to_head)) is not None:
                    self._on_head(*found)
            elif state == BODY:
                self.touch()
                self._read_body(data)
            elif state == HEAD:
                self._fail_closed("bytes before the request was sent")
            elif state == IDLE:
                self.close()
        except RemoteProtocolError as error:
            self.fail(error)

    def eof_received(self) -> None:
        """The peer sends no more. That ends a body that has no other end, and breaks everything else."""
        if self._state == BODY and self._body_reader is not None and self._body_reader.eof_terminated:
            self.end(reusable=False)
        else:
            self._fail_closed("the peer closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone. A response may still be there, where the loss was found by writing."""
        pending = self._pending_response if self._state == HEAD else None
        if pending is not None and (data := pending.read()):
            self._receive(data)
        self._fail_closed("the connection broke" if exc is not None else "the connection was closed")

    # From state to state.

    def fail(self, error: BaseException) -> None:
        """Close at once, whatever is under way; the owner gets `error`."""
        if self._state == CLOSED:
            return
        if self._receiver is not None:
            self._receiver.leave()
        future, self._future = self._future, None
        body, self._body = self._body, None
        self._leave()
        self._transport.abort()
        if future is not None and not future.done():
            future.set_exception(error)
        if body is not None:
            body.end(error)

    def _fail_closed(self, cause: str) -> None:
        # Once its body is being read a request counts as sent: what was read can't be read again.
        self.fail(ConnectionClosed(cause, request_sent=self._written or self._request_body is not None))

    def _leave(self) -> None:
        self._state = CLOSED
        self._deadline.cancel()
        self._stop_request_body()
        self._on_closed(self)

    def _on_head(self, head: ResponseHead, rest: bytes) -> None:
        """The final head is here, and the first bytes of what follows."""
        future = self._future
        self._reusable = head.keep_alive
        if self._request_body is not None:
            self._reusable = self._reusable and self._request_body.complete
            self._stop_request_body()
        complete = self._begin_body(head, rest)
        body = self._body or BufferedBody(complete or b"")
        self._future = None
        if future is not None and not future.done():
            future.set_result(UpstreamResponse(head.status, head.headers, body, complete))
        elif self._state == BODY:
            self.fail(asyncio.CancelledError())

    def _begin_body(self, head: ResponseHead, rest: bytes) -> bytes | None:
        """The state BODY. Where the body is complete already: it, and the state after BODY."""
        length = head.length
        if 0 <= length <= len(rest):
            self.end(reusable=self._reusable and length == len(rest))
            return rest[:length]
        self._state = BODY
        self._body_reader = body_reader(length)
        body = self._body = StreamingBody(self)
        if rest:
            self._read_body(rest)
        if self._body is None:
            return body.take_all()
        self.touch()
        return None

    def _read_body(self, data: bytes) -> None:
        reader, body = self._body_reader, self._body
        if reader is None or body is None:
            raise RuntimeError("bytes of a body without a reader")
        if content := reader.feed(data):
            body.feed(content)
        if reader.done:
            self.end(reusable=self._reusable and not reader.surplus)

    def end(self, *, reusable: bool) -> None:
        """The last byte of the response is here."""
        self._receiver = None
        if self._body is not None:
            self._body.end()
            self._body = self._body_reader = None
        self.served += 1
        if reusable and not self._buffer_full:
            self._state = IDLE
            self._deadline.at = NEVER
            self._on_idle(self)
        else:
            self.close()

    def _on_timeout(self) -> None:
        if self._state != HEAD:
            self.fail(ReadTimeout("silence inside the body of the response"))
        elif self._drained is not None:
            self.fail(WriteTimeout("the request could not be sent in time"))
        else:
            self.fail(ReadTimeout("no head of a response in time"))
