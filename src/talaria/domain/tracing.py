"""W3C trace context (level 2): a client's well-formed `traceparent` goes on, anything else is dropped.

Without a collector it passes unchanged and no trace is begun: a sampled flag without an exported span behind it would
make every upstream record an orphan. With one, each request has spans (`Tracing`), and what it asks gets their ids.
"""

from binascii import hexlify
from random import getrandbits, randbytes

from talaria.domain.events import Trace
from talaria.domain.headers import RequestHeaders

_HEX = b"0123456789abcdef"
_VISIBLE = bytes(range(0x20, 0x7F)) + b"\t"
_STATE_LIMIT = 512
_RANDOM = 2**56 - 1
_PREPARED = 256
_FLAGS = (b"00", b"01", b"02", b"03")
"""Those that are known: sampled, and a random trace id."""

NO_TRACE = Trace("", b"")


class Tracing:
    """Traces with spans of our own. `sample`: the share that is sampled of the traces that begin here.

    A trace is sampled by the last 56 bits of its id, as OpenTelemetry's consistent samplers do it. The `traceparent`
    that goes on is the span of the upstream's.
    """

    def __init__(self, sample: float) -> None:
        self._least = b"%014x" % round((1 - sample) * _RANDOM) if sample else b"g"  # past every digit
        # Of a trace that begins here no other program makes spans before us: this need not differ from trace to trace.
        stem = randbytes(8).hex()[:15].encode()  # noqa: S311 - a name, no secret
        self._not_sampled, self._sampled = (b"-%b2-%b" % (stem, flags) for flags in (b"00", b"01"))
        self._prepared: list[bytes] = []

    def trace_of(self, head: RequestHeaders, scheme: str) -> Trace:
        """The client's trace, continued; or a new one."""
        consumed = head.consumed
        if b"traceparent" in consumed and (given := trace_of(head)).parent:
            flags = _FLAGS[int(given.parent[53:55], 16) % len(_FLAGS)]
            parent = b"00-%b-%015x2-%b" % (given.parent[3:35], getrandbits(60), flags)
            return Trace(given.trace_id, parent, given.state, given.parent, consumed.get(b"host", b""), scheme)
        return begun(self.new_parent(), consumed.get(b"host", b""), scheme)

    def new_parent(self) -> bytes:
        """The `traceparent` of a new trace."""
        if not self._prepared:
            digits = hexlify(randbytes(16 * _PREPARED))  # noqa: S311 - names, no secrets
            ids = [digits[at : at + 32] for at in range(0, len(digits), 32)]
            self._prepared = [
                b"00-%b%b" % (one, self._not_sampled if one[18:] < self._least else self._sampled) for one in ids
            ]
        return self._prepared.pop()


def begun(parent: bytes, host: bytes = b"", scheme: str = "") -> Trace:
    """The trace that begins with this `traceparent`."""
    return Trace(parent[3:35].decode(), parent, b"", b"", host, scheme)


def new_request_id() -> str:
    """A request id of our own: 32 hexadecimal digits."""
    return f"{getrandbits(128):032x}"


def trace_of(head: RequestHeaders) -> Trace:
    """The trace that the client sent, where its `traceparent` is one well-formed line."""
    parent = head.only(b"traceparent")
    if parent is None or not _well_formed(parent):
        return NO_TRACE
    return Trace(parent[3:35].decode(), parent, _state(head), parent)


def _well_formed(value: bytes) -> bool:
    """Version 00 to the letter; of a later version the part that it shares with 00."""
    version, trace, span, flags = value[0:2], value[3:35], value[36:52], value[53:55]
    return (
        (len(value) == 55 or (len(value) > 55 and version != b"00" and value[55:56] == b"-"))
        and value[2:3] == value[35:36] == value[52:53] == b"-"
        and not (version + trace + span + flags).translate(None, _HEX)
        and version != b"ff"
        and trace.strip(b"0") != b""
        and span.strip(b"0") != b""
    )


def _state(head: RequestHeaders) -> bytes:
    state = b",".join(head.all(b"tracestate"))
    return b"" if len(state) > _STATE_LIMIT or state.translate(None, _VISIBLE) else state
