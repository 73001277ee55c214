"""One JSON line for each request.

The law of the writer: a line is encoded when its request ends and waits in a bounded buffer for a moment, so that one
write carries many. The event loop never waits for whoever reads: lines are written only while the descriptor takes
them, in pieces that a pipe takes whole (several workers share it). What does not fit into the buffer is dropped and
counted, and a line says so later. A full disk is waited out in the same way. A reader that is gone ends the writing,
not the gateway.

A line holds nothing of the request's path, query, headers or body, and no personal data: `person` is a pseudonym.
"""

import asyncio
import errno
import logging
import select
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from os import write as os_write

import msgspec

from talaria.domain.events import Event, RequestFinished

_logger = logging.getLogger("talaria.access_log")

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What a write fails with where a disk is full."""

_PIECE = select.PIPE_BUF
_BUFFERED_AT_MOST = 4 * 1024 * 1024
_FLUSH_NOW = 64 * 1024
_FLUSH_SECONDS = 0.02
_NO_ROOM_SECONDS = 1.0
_LONGEST_LINE = 2048
_LONGEST_VALUE = 128
_ENDINGS = tuple(f".{millisecond:03d}Z" for millisecond in range(1000))


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """The line, its fields in the order in which they stand. Times in milliseconds, `bytes_*` of the bodies."""

    time: str
    level: str
    event: str
    request_id: str
    trace_id: str
    tag: str
    method: str
    status: int
    reason: str
    origin: str
    caller: str
    exchange: str | None
    attempts: int
    bytes_in: int
    bytes_out: int
    total_ms: float
    upstream_ms: float
    retries: int = 0
    healed: bool = False
    cause: str = ""
    person: str = ""
    edge: bool = False


class Timestamps:
    """RFC 3339 in UTC with milliseconds; `clock` gives nanoseconds since the epoch."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._second = -1
        self._prefix = ""

    def now(self) -> str:
        """The time of this moment."""
        milliseconds = self._clock() // 1_000_000
        if milliseconds // 1000 != self._second:
            self._second = milliseconds // 1000
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._second))
        return self._prefix + _ENDINGS[milliseconds % 1000]


class AccessLog:
    """Writes a line for each request that ended; a consumer for the fan-out.

    `descriptor`: where the lines go, blocking or not. `call_later` (of the event loop) is asked to flush soon.
    """

    def __init__(
        self,
        descriptor: int = 1,
        *,
        clock: Callable[[], int] = time.time_ns,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
        write: Callable[[int, bytes], int] = os_write,
    ) -> None:
        self._descriptor = descriptor
        self._timestamp = Timestamps(clock).now
        self._encode = msgspec.json.Encoder().encode
        self._call_later = call_later
        self._write = write
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._due = False
        self._no_room = False
        self._gone = False

    def record(self, event: Event) -> None:
        """Take the end of a request; other events pass."""
        if type(event) is not RequestFinished or self._gone:
            return
        encoded = self._encoded(event)
        if self._size + len(encoded) > _BUFFERED_AT_MOST:
            self._dropped += 1
            return
        self._add(encoded)

    def flush(self) -> None:
        """Write what waits, as far as it is taken at once."""
        self._due = False
        if self._dropped and self._size < _BUFFERED_AT_MOST // 2:
            self._say_dropped()
        try:
            while self._lines and self._poll.poll(0):
                self._write_piece()
        except OSError as error:
            if error.errno in NO_ROOM:
                self._wait_for_room(error)
            else:
                self._give_up(error)
        if self._lines:
            self._flush_soon()

    def close(self, seconds: float = 1.0) -> None:
        """Write what waits, for this long at most: for the end of the process, it blocks."""
        self._call_later = _never
        until = time.monotonic() + seconds
        while self._lines and time.monotonic() < until:
            self._poll.poll(20)
            self.flush()
            if self._no_room:
                return

    def _encoded(self, event: RequestFinished) -> bytes:
        line = self._line(event)
        try:
            encoded = self._encode(line)
        except UnicodeEncodeError:
            encoded = self._encode(_clipped(line))
        if len(encoded) > _LONGEST_LINE:
            encoded = self._encode(_clipped(line))
        return encoded + b"\n"

    def _line(self, event: RequestFinished) -> Line:
        context = event.context
        attempts = context.attempts
        # An answer that broke off is trouble too, whatever its status was.
        trouble = event.status >= 500 or (event.reason and event.origin != "client")
        return Line(
            self._timestamp(),
            "info" if not trouble else "error" if event.origin == "gateway" else "warning",
            "request",
            context.request_id,
            context.trace_id,
            context.tag,
            event.method,
            event.status,
            event.reason,
            event.origin,
            context.caller,
            context.exchange,
            len(attempts),
            event.bytes_in,
            event.bytes_out,
            int(event.seconds * 1e6) / 1e3,
            int(context.upstream_seconds * 1e6) / 1e3,
            len(attempts) - len({attempt.dependency for attempt in attempts}) if len(attempts) > 1 else 0,
            context.identity_refreshed,
            event.cause,
            context.person,
            context.edge,
        )

    def _add(self, encoded: bytes) -> None:
        self._lines.append(encoded)
        self._size += len(encoded)
        if not self._due:
            self._flush_soon()
        elif self._size > _FLUSH_NOW and self._size - len(encoded) <= _FLUSH_NOW:
            self.flush()

    def _flush_soon(self) -> None:
        self._due = True
        if self._call_later is None:
            self._call_later = asyncio.get_running_loop().call_later
        self._call_later(_NO_ROOM_SECONDS if self._no_room else _FLUSH_SECONDS, self.flush)

    def _write_piece(self) -> None:
        """As many lines as go into one piece, one at least."""
        lines, size = self._lines, 0
        piece: list[bytes] = []
        while lines and (not piece or size + len(lines[0]) <= _PIECE):
            size += len(lines[0])
            piece.append(lines.popleft())
        joined = b"".join(piece)
        written = 0
        try:
            with suppress(BlockingIOError):
                written = self._write(self._descriptor, joined)
        finally:
            self._size -= written
            if written < size:
                lines.appendleft(joined[written:])
        if self._no_room and written:
            self._no_room = False
            _logger.info("access lines are written again")

    def _say_dropped(self) -> None:
        fields = {"time": self._timestamp(), "level": "warning", "event": "lines-dropped", "count": self._dropped}
        self._dropped = 0
        self._add(self._encode(fields) + b"\n")

    def _wait_for_room(self, error: OSError) -> None:
        if not self._no_room:
            self._no_room = True
            _logger.error("access lines can't be written now, and wait: %s", error.strerror)

    def _give_up(self, error: OSError) -> None:
        self._gone = True
        self._lines.clear()
        self._size = 0
        _logger.error("nobody reads the access lines any more; they end here: %s", error.strerror)


def _clipped(line: Line) -> Line:
    """The line with every text cut to a sane length and form."""
    texts = {name: _sane(value) for name in line.__struct_fields__ if isinstance(value := getattr(line, name), str)}
    return msgspec.structs.replace(line, **texts)


def _sane(text: str) -> str:
    return text[:_LONGEST_VALUE].encode("utf-8", "backslashreplace").decode()


def _never(seconds: float, call: Callable[[], None]) -> None:
    """At the end nobody is called later."""
