"""Access lines of the usual end, put together of parts: what is the same in many lines is encoded once."""

import re
from typing import Final

import msgspec

from talaria.adapters.telemetry.request_line import RequestLine, request_line
from talaria.domain.events import Attempt, RequestContext, RequestFinished, RequestForwarded
from talaria.domain.memo import BoundedMemo

_VARIABLE: Final = re.compile(
    r'(.*?"time":")[^"]*(".*?"request_id":")[^"]*(".*?"trace_id":")[^"]*(".*?"bytes_in":)[0-9]+(,.*?"bytes_out":)[0-9]+'
    r'(,.*?"total_ms":)[0-9.]+(,.*?"upstream_ms":)[0-9.]+(,.*?)(?:("person":")[^"]*(".*))?'
)
"""A quote inside a value has a backslash before it, so a name with its quotes is found where the field is."""
_MOST: Final = 1024
_FRACTIONS: Final = tuple(str(thousandths / 1000)[1:] for thousandths in range(1000))
"""Of a number of milliseconds, by its microseconds: a float's own text costs more."""

_Parts = tuple[str, ...]


def forwarded_line(event: RequestForwarded, time: str, worker: int) -> RequestLine:
    """The access line of a request that took the fast path to its end."""
    return request_line(finished_of(event), time, worker)


def finished_of(event: RequestForwarded, started: float = 0.0) -> RequestFinished:
    """What the end of the same request says on the slow path; `started` by the clock of the attempts."""
    labels = event.labels
    attempt = Attempt(labels.upstream, started, event.upstream_seconds, "ok", event.address)
    context = RequestContext(
        request_id=event.request_id,
        trace_id=event.trace_id,
        tag=labels.tag,
        caller=labels.caller,
        exchange="hit",
        upstream_seconds=event.upstream_seconds,
        attempts=[] if event.edge else [attempt],
        person=labels.person,
        started=started,
        edge=event.edge,
        partner=labels.partner,
    )
    end = event.bytes_in, event.bytes_out, event.seconds
    return RequestFinished(context, event.method, event.status, "", "" if event.edge else "upstream", *end)


class LineParts:
    """Encodes such lines as JSON; each is what msgspec makes of its `forwarded_line`."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._parts: BoundedMemo[tuple[str, str, str, int, bool, bool], _Parts] = BoundedMemo(_MOST)

    def encode(self, event: RequestForwarded, time: str) -> bytes:
        """The line of a request that ended at `time` (RFC 3339), its newline included."""
        labels, request_id, trace_id, method, status, size_in, size_out, total, upstream, _, _, _, edge = event
        tag, _, _, caller, person = labels
        key = (tag, caller, method, status, person != "", edge)
        a, b, c, d, e, f, g, h, i, j = self._parts.get(key) or self._learn(key, event)
        whole, asked = int(total * 1e6), int(upstream * 1e6)
        return (
            f"{a}{time}{b}{request_id}{c}{trace_id}{d}{size_in}{e}{size_out}{f}"
            f"{whole // 1000}{_FRACTIONS[whole % 1000]}{g}{asked // 1000}{_FRACTIONS[asked % 1000]}{h}{i}{person}{j}\n"
        ).encode()

    def _learn(self, key: tuple[str, str, str, int, bool, bool], event: RequestForwarded) -> _Parts:
        match = _VARIABLE.fullmatch(msgspec.json.encode(forwarded_line(event, "", self._worker)).decode())
        if match is None:
            raise AssertionError("a line without one of its fields")
        return self._parts.remember(key, match.groups(""))
