"""W3C trace context: a client's well-formed `traceparent` passes unchanged, anything else is dropped.

No trace is begun here: a sampled flag without an exported span behind it would make every upstream record an orphan.
"""

from random import randbytes
from typing import NamedTuple

from talaria.domain.headers import RequestHeaders
from talaria.domain.http import Headers

_HEX = b"0123456789abcdef"
_VISIBLE = bytes(range(0x20, 0x7F)) + b"\t"
_STATE_LIMIT = 512


class Trace(NamedTuple):
    """One place in a client's trace: its `traceparent` and `tracestate`, each empty where it does not pass."""

    trace_id: str
    parent: bytes
    state: bytes

    def headers(self) -> Headers:
        """`traceparent`, and `tracestate` where there is one; nothing without a trace."""
        if not self.parent:
            return []
        if self.state:
            return [(b"traceparent", self.parent), (b"tracestate", self.state)]
        return [(b"traceparent", self.parent)]


NO_TRACE = Trace("", b"", b"")


def new_request_id() -> str:
    """A request id of our own: 32 hexadecimal digits."""
    return randbytes(16).hex()  # noqa: S311 - a name, no secret


def trace_of(head: RequestHeaders) -> Trace:
    """The trace that the client sent, where its `traceparent` is one well-formed line."""
    parent = head.only(b"traceparent")
    if parent is None or not _well_formed(parent):
        return NO_TRACE
    return Trace(parent[3:35].decode(), parent, _state(head))


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
