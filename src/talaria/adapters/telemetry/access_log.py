"""One line for each request, as JSON or as text for people.

A line is encoded when its request ends and waits for a moment, so that one write carries many (see line_writer.py). A
full disk is waited out. A reader that is gone ends the writing, not the gateway.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable

import msgspec

from talaria.adapters.telemetry.line_writer import NO_ROOM, LineWriter
from talaria.adapters.telemetry.request_line import clipped, forwarded_line, request_line
from talaria.adapters.telemetry.text_lines import encoded_text_line, encoded_text_lines
from talaria.adapters.telemetry.timestamps import Timestamps
from talaria.domain.events import Event, RequestFinished, RequestForwarded

_logger = logging.getLogger("talaria.access_log")

BUFFER_LIMIT = 4 * 1024 * 1024
_FLUSH_NOW = 64 * 1024
_FLUSH_SECONDS = 0.02
_NO_ROOM_SECONDS = 1.0
_LONGEST_LINE = 2048


class AccessLog:
    """Writes a line for each finished request; a handler of the event bus.

    `descriptor`: where the lines go, blocking or not. `call_later` (of the event loop) is asked to flush soon.
    `buffer_limit`: bytes that may wait. `worker`: this process's number among several.
    """

    def __init__(
        self,
        descriptor: int = 1,
        *,
        clock: Callable[[], int] = time.time_ns,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
        write: Callable[[int, bytes], int] = os.write,
        buffer_limit: int = BUFFER_LIMIT,
        worker: int = 0,
        as_text: bool = False,
    ) -> None:
        self._worker = worker
        self._timestamps = Timestamps(clock)
        encoder = msgspec.json.Encoder()
        self._encode = encoded_text_line if as_text else encoder.encode
        self._encode_lines = encoded_text_lines if as_text else encoder.encode_lines
        self._call_later = call_later
        self._writer = LineWriter(descriptor, buffer_limit, self._lost_line, write)
        self._due = False
        self._no_room = False
        self._gone = False

    def record(self, event: Event) -> None:
        """Take the end of a request; other events pass."""
        if type(event) is not RequestFinished:
            return
        if self._gone:
            self._writer.lost += 1
            return
        line = request_line(event, self._timestamps.now(), self._worker)
        try:
            encoded = self._encode(line)
        except UnicodeEncodeError:
            encoded = self._encode(clipped(line))
        if len(encoded) > _LONGEST_LINE:
            encoded = self._encode(clipped(line))
        writer = self._writer
        writer.add(encoded + b"\n")
        if not self._due:
            self._flush_soon()
        elif writer.size > _FLUSH_NOW and writer.size - len(encoded) <= _FLUSH_NOW:
            self.flush()

    def record_forwarded(self, events: list[RequestForwarded]) -> None:
        """Take the usual ends of requests; their lines are written at once."""
        if self._gone:
            self._writer.lost += len(events)
            return
        worker, before, time = self._worker, -1, ""
        lines = []
        for event in events:
            if (now := int(event.at * 1000)) != before:
                before, time = now, self._timestamps.of(now)
            lines.append(forwarded_line(event, time, worker))
        self._writer.add(self._encode_lines(lines))
        self.flush()

    def state(self) -> tuple[int, int]:
        """The bytes that wait, and how many lines were lost since the start."""
        return self._writer.size, self._writer.lost

    def flush(self) -> None:
        """Write what waits, as far as it is taken at once; the rest soon."""
        try:
            written = self._writer.flush()
        except OSError as error:
            if error.errno in NO_ROOM:
                self._wait_for_room(error)
            else:
                self._give_up(error)
        else:
            if self._no_room and written:
                self._no_room = False
                _logger.info("access lines are written again")
        if self._writer.size and not self._due:
            self._flush_soon()

    def close(self, seconds: float = 1.0) -> None:
        """Write what waits, for this long at most: for the end of the process, it blocks."""
        until = time.monotonic() + seconds
        while self._writer.size and time.monotonic() < until:
            self._writer.wait(20)
            self.flush()
            if self._no_room:
                return

    def _flush_soon(self) -> None:
        self._due = True
        if self._call_later is None:
            self._call_later = asyncio.get_running_loop().call_later
        self._call_later(_NO_ROOM_SECONDS if self._no_room else _FLUSH_SECONDS, self._flush_due)

    def _flush_due(self) -> None:
        self._due = False
        self.flush()

    def _lost_line(self, count: int) -> bytes:
        fields = {"time": self._timestamps.now(), "level": "warning", "event": "lines-dropped", "count": count}
        return self._encode(fields) + b"\n"

    def _wait_for_room(self, error: OSError) -> None:
        if not self._no_room:
            self._no_room = True
            _logger.error("access lines can't be written now, and wait: %s", error.strerror)

    def _give_up(self, error: OSError) -> None:
        self._gone = True
        self._writer.clear()
        _logger.error("access lines have no reader any more and end here: %s", error.strerror)
