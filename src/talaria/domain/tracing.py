"""W3C trace context (level 2): a client's well-formed `traceparent` goes on, anything else is dropped.

Without a collector it passes unchanged and no trace is begun: a sampled flag without an exported span behind it would
make every upstream record an orphan. With one, each request has spans (`Tracing`), and what it asks gets their ids.
"""

import re
from collections.abc import Iterator
from itertools import chain, compress
from random import getrandbits
from secrets import token_bytes
from struct import Struct

from talaria.domain.events import Trace
from talaria.domain.headers import RequestHeaders

_SHARED = rb"-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_WELL_FORMED = re.compile(rb"00%b|(?!00|ff)[0-9a-f]{2}%b(?:-.*)?" % (_SHARED, _SHARED), re.DOTALL).fullmatch
"""Version 00 to the letter; of a later version the part that it shares with 00."""
_VISIBLE = bytes(range(0x20, 0x7F)) + b"\t"
_STATE_LIMIT = 512
_RANDOM = 2**56 - 1
_PREPARED = 256
_LINES = Struct("70s" * _PREPARED)
_FLAGS = (b"00", b"01", b"02", b"03")
"""Those that are known: sampled, and a random trace id."""

NO_TRACE = Trace("", b"")

NewTrace = tuple[str, bytes, bool]
"""Its id, the line of its `traceparent`, and whether it is sampled."""


class Tracing:
    """Traces with spans of our own. `sample`: the share that is sampled of the traces that begin here.

    A trace is sampled by the last 56 bits of its id, as OpenTelemetry's consistent samplers do it. The `traceparent`
    that goes on is the span of the upstream's. `new` gives traces without end: they are made many at a time.
    """

    def __init__(self, sample: float) -> None:
        self._least = round((1 - sample) * _RANDOM) if sample else _RANDOM + 1
        self._high = bytes(octet >= self._least >> 48 for octet in range(256))
        self.new: Iterator[NewTrace] = chain.from_iterable(iter(self._prepare, None))

    def trace_of(self, head: RequestHeaders, scheme: str) -> Trace:
        """The client's trace, continued; or a new one."""
        host = head.consumed.get(b"host", b"")
        if (given := trace_of(head)).parent:
            flags = _FLAGS[int(given.parent[53:55], 16) % len(_FLAGS)]
            parent = b"00-%b-%015x2-%b" % (given.parent[3:35], getrandbits(60), flags)
            return Trace(given.trace_id, parent, given.state, given.parent, host, scheme)
        return self.begin(host, scheme)

    def begin(self, host: bytes = b"", scheme: str = "") -> Trace:
        """A new trace."""
        trace_id, line, _ = next(self.new)
        return begun(trace_id, line, host, scheme)

    def _prepare(self) -> Iterator[NewTrace]:
        """Traces that share a stem, which is random too. What is looked at one by one are those that may be sampled, by
        the first of their octets that decide.
        """
        stem, span, octets = token_bytes(9).hex(), token_bytes(8).hex()[:15], token_bytes(7 * _PREPARED)
        digits = octets.hex("|", 7)
        ids = f"{stem}{digits}".replace("|", f"|{stem}").split("|")
        before, behind = f"traceparent: 00-{stem}", f"-{span}2-00\r\n"
        lines = list(_LINES.unpack(f"{before}{digits}{behind}".replace("|", f"{behind}{before}").encode()))
        sampled = [False] * _PREPARED
        for at in compress(range(_PREPARED), octets[::7].translate(self._high)):
            if int(ids[at][18:], 16) >= self._least:
                lines[at], sampled[at] = lines[at].replace(b"-00\r", b"-01\r"), True
        return zip(ids, lines, sampled, strict=True)


def begun(trace_id: str, line: bytes, host: bytes, scheme: str) -> Trace:
    """The trace that begins with this line of its `traceparent`."""
    return Trace(trace_id, line[13:68], b"", b"", host, scheme)


def is_recorded(trace: Trace, tracing: Tracing | None) -> bool:
    """Whether a request that went well is recorded with its trace: without a collector, the client's is."""
    return trace.parent != b"" and (tracing is None or trace.sampled)


def new_request_id() -> str:
    """A request id of our own: 32 hexadecimal digits."""
    return getrandbits(128).to_bytes(16).hex()


def trace_of(head: RequestHeaders) -> Trace:
    """The trace that the client sent, where its `traceparent` is one well-formed line."""
    parent = head.only(b"traceparent")
    if parent is None or _WELL_FORMED(parent) is None:
        return NO_TRACE
    return Trace(parent[3:35].decode(), parent, _state(head), parent)


def _state(head: RequestHeaders) -> bytes:
    state = b",".join(head.all(b"tracestate"))
    return b"" if len(state) > _STATE_LIMIT or state.translate(None, _VISIBLE) else state
