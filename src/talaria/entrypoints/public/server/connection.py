"""One client's connection: HTTP/1.1 on httptools.

Rules:

1. A head has `header_timeout` to arrive, and `header_limit` bytes (431; 414 where the request line alone is over).
2. A malformed head is refused in problem+json, after the responses that are due. Behind a head with a refused
   framing nothing is read. A framing that breaks inside a body fails its request, and is never read as the next one.
3. Trailers never become headers. A body that makes no progress (endless chunk extensions or trailers) is broken.
4. A response that ends before its request is followed by a lingering close, so that the client gets to read it.
5. On disconnect the active request's task is cancelled at once. A half-close (FIN) counts as a disconnect, as in nginx.
6. An offer to upgrade is ignored, and costs neither a request its body nor the connection its next request.
7. While the listener drains, kept connections get `connection: close` with their next response.

No timer is set for a request: the listener calls `enforce_timeouts` once a second.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

from talaria.adapters.http1.write_batcher import WriteBatcher
from talaria.domain.errors import BadRequest, HeadersTooLarge, Refusal
from talaria.domain.forwarded import unmap_ipv4
from talaria.domain.http import Headers
from talaria.domain.memo import BoundedMemo
from talaria.entrypoints.public.problems import RejectedHeads
from talaria.entrypoints.public.server.cycle import App, RequestResponseCycle
from talaria.entrypoints.public.server.framing import (
    FRAMING_FIELDS,
    NO_BODY,
    ConnectionLimits,
    check_head_size,
    head_of,
    may_be_request_line,
    parse_error_to_refusal,
    read_framing,
    refused_line,
    strict_parser,
)
from talaria.entrypoints.public.server.pipeline import RequestPipeline
from talaria.entrypoints.public.server.sockets import peer_has_closed, reset_on_close, unsent_bytes

_READ_HIGH_WATER: Final = 64 * 1024
WRITE_HIGH_WATER: Final = 32 * 1024
"""Bytes that wait for a client before the connection counts as not read: what each slow reader costs in memory."""
_NO_PROGRESS: Final = 64 * 1024
_LINGER_SECONDS: Final = 2.0


@dataclass(slots=True)
class ListenerState:
    """What the connections of one listener share: themselves, the requests under way, one batch of writes.

    `admit` gives whether a TCP peer may connect: where it may not, its connection is closed unread.
    """

    admit: Callable[[str], bool] = field(default=lambda peer: True)
    connections: "set[Connection]" = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    batcher: WriteBatcher = field(default_factory=WriteBatcher)
    draining: bool = False


class Connection(asyncio.Protocol):
    """One client's connection. Implements `cycle.Link`, and what httptools calls.

    `_received` counts the bytes of a head, or those of a body since its last progress. `_since` and `_time_limit` say
    when the present wait began, and how long it may be (0: no limit).
    """

    transport: asyncio.Transport

    def __init__(self, limits: ConnectionLimits, app: App, rejected: RejectedHeads, state: ListenerState) -> None:
        self.loop = asyncio.get_running_loop()
        self.peer = ""
        self.scheme = "http"
        self.read_paused = self.write_paused = False
        self.pipeline = RequestPipeline(self, app, state.tasks)
        self.cycle: RequestResponseCycle | None = None
        self.draining = state.draining
        self._limits = limits
        self._rejected = rejected
        self._state = state
        self._parser = strict_parser(self)
        self._target = self._line = b""
        self._headers: Headers = []
        self._framing_fields: Headers = []
        self._in_head = self._partly_counted = self._discarding = False
        self._body_skipped = self._repeating_head = False
        self._received = self._unsent = 0
        self._since = self.loop.time()
        self._time_limit = limits.header_timeout
        self._writable: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected, over TLS after its handshake."""
        self.transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.peer = unmap_ipv4(peer[0]) if isinstance(peer, tuple) else ""
        self.scheme = "http" if transport.get_extra_info("sslcontext") is None else "https"
        if not self._state.admit(self.peer):
            self._discarding = True
            transport.abort()
            return
        self._state.connections.add(self)

    # What arrives

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        while data and not self._discarding:
            self._received += len(data)
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._decline_upgrade()
            except httptools.HttpParserError as error:
                if not self._discarding:
                    self._on_parse_error(error, data)
                return
            else:
                self._check_sizes(data)
                return

    def _check_sizes(self, data: bytes) -> None:
        if self._in_head:
            if not self._target:
                self._line += data
            if self._received > (limit := self._limits.header_limit):
                method = self._parser.get_method()
                self._reject_head(check_head_size(method, self._target, [], limit) or HeadersTooLarge())
        elif self._received > _NO_PROGRESS + len(data):
            if self.cycle is not None and self.cycle.more_body:
                self._break_body(self.cycle)
            else:
                self._reject_head(BadRequest("no head"))

    def _decline_upgrade(self) -> None:
        """Ignore the offer (RFC 9110, 7.8). httptools takes the body behind it for another protocol's: it is not, so a
        new parser, which hears of the same framing first, reads on.
        """
        cycle = self._arriving()
        if cycle.method == "CONNECT":
            cycle.keep_alive = False
            self._discarding = True
        elif self._body_skipped:
            self._body_skipped = False
            self._parser = strict_parser(self)
            self._repeating_head = True
            self._parser.feed_data(head_of(cycle.framing))

    def on_message_begin(self) -> None:
        """A head begins."""
        self._target = self._line = b""
        self._headers = []
        self._framing_fields = []
        self._in_head = True
        self._partly_counted = not self._received
        self._since, self._time_limit = self.loop.time(), self._limits.header_timeout

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer: those are dropped."""
        if self._in_head:
            value = value.rstrip(b" \t")
            lower = _names.get(name)
            if lower is None:
                lower = self._normalize_name(name, value)
            self._headers.append((lower, value))

    def _normalize_name(self, name: bytes, value: bytes) -> bytes:
        """A name that is not remembered: a new one, or one of the framing fields, which never are."""
        lower = name.lower()
        if lower in FRAMING_FIELDS:
            self._framing_fields.append((lower, value))
            return lower
        return _names.remember(name, lower)

    def on_headers_complete(self) -> None:
        """A request has arrived, but for its body."""
        self._in_head, size = False, self._received
        self._received, self._time_limit = 0, 0.0
        if self._repeating_head:
            self._repeating_head = False
            return
        parser, target, headers = self._parser, self._target, self._headers
        method, version = parser.get_method(), parser.get_http_version()
        http10 = version != "1.1"
        framing = read_framing(self._framing_fields, http10=http10) if self._framing_fields else NO_BODY
        cycle = RequestResponseCycle(self, method.decode("ascii"), target, headers, framing, http10=http10)
        if http10 and version != "1.0":
            cycle.refusal = BadRequest("HTTP version")
        if self._partly_counted or size > self._limits.header_limit:
            cycle.refusal = check_head_size(method, target, headers, self._limits.header_limit) or cycle.refusal
        cycle.keep_alive = not (http10 or self.draining or cycle.refusal) and parser.should_keep_alive()
        if self._framing_fields:
            self._body_skipped = bool(framing.length or framing.chunked) and parser.should_upgrade()
        self.cycle = cycle
        if not self.pipeline.add(cycle):
            self._discarding = True

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._received = 0
        if self._arriving().feed(body) > _READ_HIGH_WATER:
            self.pause_reading()

    def on_message_complete(self) -> None:
        """A body has ended, or a head without one."""
        self._received = 0
        if not self._body_skipped:
            self._arriving().feed_eof()

    def _arriving(self) -> RequestResponseCycle:
        if self.cycle is None:
            raise AssertionError("a body without a head")
        return self.cycle

    # What goes wrong

    def _on_parse_error(self, error: httptools.HttpParserError, data: bytes) -> None:
        cycle = self.cycle
        if cycle is not None and cycle.more_body:
            self._break_body(cycle)
            return
        if cycle is not None and not cycle.keep_alive:  # nothing behind the last request is read
            self._discarding = True
            return
        seen = self._line + data
        line = refused_line(seen) if self._partly_counted else seen
        if self._received > self._limits.header_limit:
            line = b""
        elif may_be_request_line(error, line):
            self._line = seen  # the parser raises the same error with the next piece
            return
        self._reject_head(parse_error_to_refusal(error, self._parser.get_method(), line))

    def _break_body(self, cycle: RequestResponseCycle) -> None:
        self._discarding = True
        cycle.break_body()

    def _reject_head(self, refusal: Refusal) -> None:
        """Refuse a head that did not become a request, after the responses that are due."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._discarding = True
            self.cycle.final_error = refusal
        else:
            self._send_final_error(refusal)

    def _send_final_error(self, refusal: Refusal) -> None:
        self._state.batcher.flush()  # what was written before comes first
        self.transport.write(self._rejected.refuse(refusal))
        self._linger()

    def _linger(self) -> None:
        """Close so that the client can read what was sent: our side first, theirs within two seconds."""
        self._discarding = True
        self.pipeline.close()
        self._since, self._time_limit = self.loop.time(), _LINGER_SECONDS
        self.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # What is written

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def write_batched(self, data: bytes) -> None:
        self._state.batcher.write(self.loop, self._write_if_open, data)

    def _write_if_open(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def on_complete(self, cycle: RequestResponseCycle) -> None:
        self.pipeline.active = None
        if cycle.final_error is not None:
            self._send_final_error(cycle.final_error)
        elif not cycle.keep_alive:
            unread = cycle.more_body or self._discarding or self.read_paused
            self._linger() if unread else self.close_gracefully()
        else:
            self.pipeline.start_next()
            self._since = self.loop.time()
            self._time_limit = self._limits.header_timeout if self._in_head else self._limits.keepalive_timeout

    # Flow control

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """The write buffer is above its high-water mark."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """The client reads again."""
        self._release_writer()
        self.pipeline.start_next()

    def _release_writer(self) -> None:
        self.write_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    async def drain(self) -> None:
        while self.write_paused:
            self._writable = self.loop.create_future()
            await self._writable

    # What ends

    def enforce_timeouts(self, now: float) -> None:
        """End what has waited for too long, and what its client has left. `now` in seconds of the loop's clock."""
        transport, pipeline = self.transport, self.pipeline
        slow = pipeline.closed or self.write_paused
        unsent = unsent_bytes(transport) if slow else 0
        if unsent != self._unsent and slow:
            self._since = now  # the client reads, slowly
        self._unsent = unsent
        waited = now - self._since
        if transport.is_closing() or (pipeline.closed and unsent):
            if waited > self._limits.keepalive_timeout:
                transport.abort()
        elif self._time_limit and pipeline.active is None and waited > self._time_limit:
            self._on_timeout()
        elif self.read_paused and peer_has_closed(transport):
            transport.abort()

    def _on_timeout(self) -> None:
        if self._discarding or self.pipeline.queued:
            self.transport.abort()
            return
        if self._in_head:
            self._rejected.cut_off("slow with its head")
        self.close_gracefully()

    def eof_received(self) -> None:
        """The client sends no more: it has disconnected."""
        self.pipeline.client_disconnected()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._state.connections.discard(self)
        self._release_writer()
        self.pipeline.client_disconnected()

    def leave_fast_path(self) -> None:
        """Nothing is on it here: every request is one of the pipeline."""

    def begin_drain(self) -> None:
        """The next response that begins is the last one of this connection."""
        self.draining = True
        self.pipeline.disable_keep_alive()

    def close_gracefully(self) -> None:
        """Close, after what is written already."""
        self.pipeline.close()
        self._since = self.loop.time()
        self._state.batcher.flush()
        self.transport.close()

    def abort(self, *, reset: bool) -> None:
        if reset:
            reset_on_close(self.transport)
        self.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Is no request under way?"""
        return self.pipeline.idle


_names: BoundedMemo[bytes, bytes] = BoundedMemo(2048)
"""Names as they come -> in lower case; never one of the framing fields."""
