"""The public HTTP server: uvicorn on httptools, with the limits and the clean endings that a public door needs.

What this adds to uvicorn's protocol:

- a head has `header_timeout` to arrive and `header_limit` bytes (431; 414 if the request line alone is over);
- what is malformed is refused in problem+json, like everything else; a framing that breaks inside a body ends the
  request, never the next one; behind a head whose framing is refused nothing is served, wherever its end may be;
- trailers never become headers; a body that makes no progress (endless chunk extensions or trailers) is cut off;
- an answer that ends before its request is followed by a lingering close, so that the client gets to read it;
- the client leaving is told at once to whom it may concern (`Cycle.on_gone`); to close the sending half is to leave;
- requests take turns (turns.py); an offer to upgrade is not taken, and costs no request its body;
- draining: kept connections get `connection: close` with their next answer; idle ones are closed after a short while.

The app is called with a `Cycle`, not with an ASGI scope: what most requests need is on it, and nothing is made twice.
No timer is set for a request: the listener looks over its connections once a second.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talaria.adapters.http1.write_batcher import Outbox
from talaria.domain.errors import BadRequest, HeadersTooLarge, Refusal, TargetTooLong
from talaria.domain.forwarded import unmap_ipv4
from talaria.domain.http import Headers
from talaria.entrypoints.public.early import EarlyEnds
from talaria.entrypoints.public.server.cycle import App, Cycle
from talaria.entrypoints.public.server.first_lines import FirstLines
from talaria.entrypoints.public.server.framing import FRAMING, Limits, body_parser, frame, refusal_of, too_large
from talaria.entrypoints.public.server.pipeline import UNSENT_AT_MOST, Turns, has_left, unsent_to

_NO_PROGRESS = 64 * 1024
_LINGER_SECONDS = 2.0
_NAMES_KEPT = 2048


class Connection(HttpToolsProtocol):
    """One client connection."""

    cycle: Cycle | None  # type: ignore[assignment]  # uvicorn says that it is always there; it is not at first
    headers: Headers

    def __init__(self, limits: Limits, serve: App, early: EarlyEnds, outbox: Outbox, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self.limits = limits
        self.outbox = outbox
        self.draining = getattr(self.server_state, "draining", False)
        self.peer = ""
        self.turns = Turns(self.loop, serve, self.tasks)
        self._early = early
        self._in_head = False
        self._since = self.loop.time()
        self._limit_since = limits.header_timeout
        self._received = self._unsent = 0
        self._lines = FirstLines()
        self._discarding = self._partly_counted = self._bypassed = False
        self._framing: list[tuple[bytes, bytes]] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=UNSENT_AT_MOST)
        self.turns.flow = self.flow
        self.peer = unmap_ipv4(self.client[0]) if self.client else ""

    # What arrives

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        self._lines.arrived = data
        self._received += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._take_no_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if not self._discarding:
                self._malformed(error)
        else:
            self._check_sizes()
        self._lines.over()

    def _check_sizes(self) -> None:
        """`_received` counts the bytes of a head, or those of a body since its last progress."""
        if self._in_head:
            self._lines.unfinished()
            if self._received > self.limits.header_limit:
                self._end_with(TargetTooLong() if len(self.url) > self.limits.header_limit else HeadersTooLarge())
        elif self._received > _NO_PROGRESS + len(self._lines.arrived):
            if self.cycle is not None and self.cycle.more_body:
                self._break_body()
            else:
                self._end_with(BadRequest("no head"))

    def _take_no_upgrade(self, rest: bytes) -> None:
        """Served as a plain request. httptools takes its body, if it has one, for another protocol's: it is not."""
        cycle = self._arriving()
        cycle.keep_alive = False
        if not self._bypassed:
            self._discarding = True
            return
        self._bypassed = False
        self.parser = body_parser(self, cycle.length)
        if rest:
            self.data_received(rest)

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._framing = []
        self._in_head = True
        self._partly_counted = not self._received
        self._since, self._limit_since = self.loop.time(), self.limits.header_timeout

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else a trailer
            lower = _names.get(name)
            if lower is None:
                lower = self._unusual(name, value)
            self.headers.append((lower, value.rstrip(b" \t")))

    def _unusual(self, name: bytes, value: bytes) -> bytes:
        """A name that is not remembered: a new one, or one that says how the request is framed."""
        lower = name.lower()
        if lower in FRAMING:
            self._framing.append((lower, value))
        elif len(_names) < _NAMES_KEPT and len(name) <= 64:
            _names[name] = lower
        return lower

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        method, target = parser.get_method(), self.url
        cycle = Cycle(self, method.decode("ascii"), target, self.headers)
        if version != "1.1":
            cycle.old = True
            cycle.keep_alive = False
            if version != "1.0":
                cycle.refusal = BadRequest("HTTP version")
        if self._lines.is_foreign(method, target, self._partly_counted):
            cycle.refusal = BadRequest("another protocol")
        for name, value in self._framing:
            frame(cycle, name, value)
        cycle.keep_alive = cycle.keep_alive and not (self.draining or cycle.refusal) and parser.should_keep_alive()
        if self._framing:
            self._bypassed = bool(cycle.length or cycle.chunked) and parser.should_upgrade()
        if self._partly_counted or max(self._received, len(self._lines.arrived)) > self.limits.header_limit:
            cycle.refusal = too_large(target, self.headers, self.limits.header_limit) or cycle.refusal
        self._in_head, self._received, self._limit_since = False, 0, 0.0
        self.cycle = cycle
        if not self.turns.arrived(cycle):
            self._discarding = True

    def on_body(self, body: bytes) -> None:
        self._received = 0
        if self._arriving().feed(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        self._received = 0
        if not self._bypassed:
            cycle = self._arriving()
            cycle.more_body = False
            cycle.wake()

    def discard(self) -> None:
        """Read nothing more of what the client sends."""
        self._discarding = True

    def _arriving(self) -> Cycle:
        if self.cycle is None:
            raise AssertionError("a body without a head")
        return self.cycle

    # What goes wrong

    def _malformed(self, error: Exception) -> None:
        if not self._in_head and self.cycle is not None and self.cycle.more_body:
            self._break_body()
        else:
            self._end_with(refusal_of(error, self.parser.get_method()))

    def _break_body(self) -> None:
        """The body's framing is broken: the request fails, and nothing that follows is read."""
        self._discarding = True
        cycle = self._arriving()
        cycle.broken = True
        cycle.keep_alive = False
        cycle.wake()

    def _end_with(self, refusal: Refusal) -> None:
        """Refuse a head that did not become a request, after what is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._discarding = True
            self.cycle.afterwards = refusal
        else:
            self._say_last(refusal)

    def _say_last(self, refusal: Refusal) -> None:
        self.outbox.flush()  # what was said before comes first
        self.transport.write(self._early.refused(refusal))
        self._linger()

    def _linger(self) -> None:
        """Close in the way that lets the client read what was sent: our side first, theirs within two seconds."""
        self._discarding = True
        self.turns.end()
        self.outbox.flush()
        self._since, self._limit_since = self.loop.time(), _LINGER_SECONDS
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # What ends

    def send(self, data: bytes) -> None:
        """Write a whole answer, unless the connection is closing by now."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def answered(self, cycle: Cycle) -> None:
        """The answer of `cycle` is written."""
        self.server_state.total_requests += 1
        self.turns.serving = None
        if cycle.afterwards is not None:
            self._say_last(cycle.afterwards)
        elif not cycle.keep_alive:
            unread = cycle.more_body or self._discarding or self.flow.read_paused
            self._linger() if unread else self.close_now()
        else:
            self.turns.go_on()
            self._since = self.loop.time()
            self._limit_since = self.limits.header_timeout if self._in_head else self.limits.keepalive_timeout

    def resume_writing(self) -> None:
        """The client takes what was written again."""
        super().resume_writing()
        self.turns.go_on()

    def look_over(self, now: float) -> None:
        """End what has waited for too long, and what its client has left; called once a second."""
        transport, turns = self.transport, self.turns
        slow = transport.is_closing() or turns.over or self.flow.write_paused
        unsent = unsent_to(transport) if slow else 0
        if unsent != self._unsent and slow:
            self._since = now  # but it reads
        self._unsent = unsent
        waited = now - self._since
        if transport.is_closing() or (turns.over and unsent):
            if waited > self.limits.keepalive_timeout:
                transport.abort()
        elif self._limit_since and turns.serving is None and waited > self._limit_since:
            self._out_of_time()
        elif self.flow.read_paused and has_left(transport):
            transport.abort()

    def _out_of_time(self) -> None:
        if self._discarding or self.turns.parked:
            self.transport.abort()
            return
        if self._in_head:
            self._early.cut_off("slow with its head")
        self.close_now()

    def eof_received(self) -> None:
        """The client sends no more: it has left."""
        self.turns.gone()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        self.flow.resume_writing()
        self.turns.gone()
        if exc is None:
            self.transport.close()

    def shutdown(self) -> None:
        """Begin to drain: the next answer is the last one of this connection."""
        self.draining = True
        self.turns.last_ones()

    def close_now(self) -> None:
        """Close, after what is written already."""
        self.turns.end()
        self._since = self.loop.time()
        self.outbox.flush()
        self.transport.close()

    def is_idle(self) -> bool:
        """Is no request under way?"""
        return self.turns.idle


_names: dict[bytes, bytes] = {}
"""Names as they come, and in lower case; never one of those that frame."""
