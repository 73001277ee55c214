"""One connection, one request at a time.

The law
=======

Everything that moves a connection from one state to another is in this file. Nobody else touches the transport.

    IDLE ──begin()──> HEAD ──final head──> BODY ──last byte──> IDLE
      │                 │  └─ whole answer in one piece ─────────^
      └────────┬────────┴─────────────────────┘
            CLOSED

IDLE     Nobody owns the connection but the pool. Nothing may arrive: a byte, an end of file, a loss closes it.
HEAD     One request owns it (it holds the future that `begin` gave it). The head of the request is written at the end
         of the turn, or, with a body, by the upload that `begin` is given. Bytes that come before that are no answer.
         Interim answers (1xx, at most 20, never 101) are skipped.
BODY     The reader of the answer's body owns it. Only the answer's bytes arrive, nothing is written.
CLOSED   Nobody owns it. The pool has forgotten it. There is no way back.

Who may write: the request that owns it, in HEAD only. The final head ends the writing: an upload that is still going
on is stopped there, and the connection can't be used again.

From the last byte it goes back to IDLE only where all of these hold: the request was sent to its end, both sides said
keep-alive, the body had an end of its own, and not one byte came after it. Else it is closed. So a byte that is too
much never becomes the start of another answer.

What ends it: a strict reader's refusal (BadAnswer), a loss (Unreachable), the clock (TimedOut),
a failing upload (its own exception), the owner giving up; too late, where it was cancelled before the whole answer came
and has its turn when the connection is another's. Whatever it is goes to the owner once, and to nobody else.

The clock is `_patience`: the present owner's deadline, for the head of the answer first, then for each silence.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from talaria.adapters.http1.body_framing import Framing, framing_of
from talaria.adapters.http1.gate import Gate
from talaria.adapters.http1.keeper import Keeper
from talaria.adapters.http1.last_words import LastWords
from talaria.adapters.http1.response_body import AnswerBody, ArrivedBody
from talaria.adapters.http1.response_head import AnswerHead, HeadReader
from talaria.adapters.http1.timer import NEVER, Patience
from talaria.domain.errors import BadAnswer, TimedOut, Unreachable
from talaria.domain.http import UpstreamResponse

if TYPE_CHECKING:
    from talaria.adapters.http1.request_body import Upload

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
CLOSED: Final = 3


class Connection(Gate, asyncio.BufferedProtocol):
    """See the law above.

    `served` counts the answers that it has brought; `heard` says whether the present request has had any byte back;
    `fresh` belongs to the pool's sweep.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, keeper: Keeper, buffer: memoryview) -> None:
        super().__init__(loop)
        self.served = 0
        self.heard = False
        self.fresh = True
        self._keeper = keeper
        self._buffer = buffer
        self._state = IDLE
        self._transport: asyncio.Transport
        self._write: Callable[[bytes], None]
        self._future: asyncio.Future[UpstreamResponse] | None = None
        self._upload: Upload | None = None
        self._body: AnswerBody | None = None
        self._framing: Framing | None = None
        self._reader = HeadReader()
        self._patience = Patience(loop, self._expired)
        self._idle_timeout = 0.0
        self._to_head = self._reusable = self._written = False

    # What the owner does.

    @property
    def closed(self) -> bool:
        """Is this connection of no use any more?"""
        return self._state == CLOSED

    def begin(
        self, request: bytes, to_head: bool, deadline: float, idle_timeout: float, upload: "Upload | None" = None
    ) -> "asyncio.Future[UpstreamResponse]":
        """Send a request: `request` is its whole head. With an `upload`, that writes the head, and the body after it.

        `deadline` is for the head of the answer, by the loop's clock; `idle_timeout` (seconds) for a silence in a body.
        The future brings the answer or what ended the connection; who no longer waits for it calls `abandon`.
        """
        self._state = HEAD
        self._written = False
        self._to_head = to_head
        self._idle_timeout = idle_timeout
        self.heard = False
        self._patience.until(deadline)
        future = self._future = self.loop.create_future()
        if upload is None:
            self._keeper.outbox.write(self.loop, self._send, request)
        else:
            self._upload = upload
            upload.start(self, request, deadline)
        return future

    def abandon(self, future: "asyncio.Future[UpstreamResponse] | None") -> None:
        """The owner waits no more: give up its request, or its answer. None: `begin` itself failed."""
        if future is None or future is self._future:
            if self._future is not None:
                self._future.cancel()
            self.fail(asyncio.CancelledError())
        elif not (future.cancelled() or future.exception()) and isinstance(body := future.result().body, AnswerBody):
            body.drop()

    def close(self) -> None:
        """Close where nothing is under way: politely, but for a request that was not sent to its end."""
        self._leave()
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def touch(self) -> None:
        """The reader of the body has moved: the silence begins anew."""
        self._patience.until(self.loop.time() + self._idle_timeout)

    def pause_reading(self) -> None:
        """The reader is slow."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """The reader has caught up."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # What the upload does.

    def write(self, data: bytes, deadline: float) -> None:
        """A piece of the request, and the new deadline."""
        self._patience.until(deadline)
        self._written = True
        self._write(data)

    def _send(self, request: bytes) -> None:
        if self._state == HEAD and not self._transport.is_closing():
            self._written = True
            self._write(request)

    async def taken(self, deadline: float) -> None:
        """Wait until the transport takes more; a silence of the peer is bounded here too."""
        self._patience.until(min(deadline, self.loop.time() + self._idle_timeout))
        await self.writable()
        self._patience.until(deadline)

    def last_words(self) -> LastWords | None:
        """A handle to what the peer may say before it closes."""
        return LastWords.of(self._transport)

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS included."""
        self._transport = cast(asyncio.Transport, transport)
        self._write = self._transport.write

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to. One buffer serves all connections, for what is read is copied out at once."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes of the peer."""
        self._receive(self._buffer[:nbytes].tobytes())

    def _receive(self, data: bytes) -> None:
        state = self._state
        try:
            if state == HEAD and self._written:
                self.heard = True
                found = self._reader.read(data, self._to_head)
                if found is not None:
                    self._answer(*found)
            elif state == BODY:
                self.touch()
                self._read_body(data)
            elif state == HEAD:
                self.fail(Unreachable("upstream", "bytes before the request was sent"))
            elif state == IDLE:
                self.close()
        except BadAnswer as error:
            self.fail(error)

    def eof_received(self) -> None:
        """The peer sends no more. That ends a body that has no other end, and breaks everything else."""
        if self._state == BODY and self._framing is not None and self._framing.ends_with_the_connection:
            self._end(reusable=False)
        else:
            self.fail(Unreachable("upstream", "the upstream closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone. An answer may still be there, where the loss was found by writing."""
        if self._state == HEAD and self._upload is not None and self._upload.last_words is not None:
            words = self._upload.last_words.read()
            if words:
                self._receive(words)
        self.fail(Unreachable("upstream", "the connection broke" if exc is not None else "the connection was closed"))

    # From state to state.

    def fail(self, error: BaseException) -> None:
        """Close at once, whatever is under way; the owner gets `error`."""
        if self._state == CLOSED:
            return
        future, self._future = self._future, None
        body, self._body = self._body, None
        self._leave()
        self._transport.abort()
        if future is not None and not future.done():
            future.set_exception(error)
        if body is not None:
            body.end(error)

    def _leave(self) -> None:
        self._state = CLOSED
        self._patience.end()
        self._stop_upload()
        self._keeper.forget(self)

    def _answer(self, head: AnswerHead, rest: bytes) -> None:
        """The final head is here, and the first bytes of what follows."""
        future = self._future
        self._reusable = head.keep_alive and (self._upload is None or self._upload.sent)
        self._stop_upload()
        whole = self._begin_body(head, rest)
        body = self._body or ArrivedBody(whole or b"")
        self._future = None
        if future is not None and not future.done():
            future.set_result(UpstreamResponse(head.status, head.headers, body, whole))
        elif self._state == BODY:
            self.fail(asyncio.CancelledError())

    def _begin_body(self, head: AnswerHead, rest: bytes) -> bytes | None:
        """The state BODY. Where the body is complete already: it, and the state after BODY."""
        length = head.length
        if 0 <= length <= len(rest):
            self._end(self._reusable and length == len(rest))
            return rest[:length]
        self._state = BODY
        self._framing = framing_of(length)
        body = self._body = AnswerBody(self)
        if rest:
            self._read_body(rest)
        if self._body is None:
            return body.take_all()
        self.touch()
        return None

    def _read_body(self, data: bytes) -> None:
        framing, body = self._framing, self._body
        if framing is None or body is None:
            raise RuntimeError("bytes of a body that nobody reads")
        content = framing.feed(data)
        if content:
            body.feed(content)
        if framing.done:
            self._end(self._reusable and not framing.surplus)

    def _end(self, reusable: bool) -> None:
        """The last byte of the answer is here."""
        if self._body is not None:
            self._body.end()
            self._body = self._framing = None
        self.served += 1
        if reusable:
            self._state = IDLE
            self._patience.deadline = NEVER
            self._keeper.release(self)
        else:
            self.close()

    def _stop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.stop()

    def _expired(self) -> None:
        if self._upload is not None and not self._upload.sent:
            self._upload.starved = not self.blocked
            self.fail(TimedOut("upstream", f"the request could not be {'sent' if self.blocked else 'read'} in time"))
        elif self._state == HEAD:
            self.fail(TimedOut("upstream", "no head of an answer in time"))
        else:
            self.fail(TimedOut("upstream", "silence inside the body of the answer"))
