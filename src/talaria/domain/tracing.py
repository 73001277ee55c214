"""W3C trace context: continued where the client's is well formed, else begun here."""

from random import randbytes
from typing import NamedTuple

from talaria.domain.headers import RequestHeaders
from talaria.domain.http import Headers

_HEX = b"0123456789abcdef"
_VISIBLE = bytes(range(0x20, 0x7F)) + b"\t"
_STATE_LIMIT = 512
_KNOWN_FLAGS = 0b11  # sampled, random; a flag that is not defined yet is passed on as zero


class Trace(NamedTuple):
    """One request's place in a trace. `state` is the client's `tracestate`, where it may go on."""

    trace_id: str
    parent: bytes
    state: bytes

    def headers(self) -> Headers:
        """`traceparent`, and `tracestate` where there is one."""
        if self.state:
            return [(b"traceparent", self.parent), (b"tracestate", self.state)]
        return [(b"traceparent", self.parent)]


def new_request_id() -> str:
    """A request id of our own: 32 hexadecimal digits."""
    return randbytes(16).hex()  # noqa: S311 - a name, no secret


def trace_of(head: RequestHeaders) -> Trace:
    """The trace that this request belongs to, with a new parent id for the call that we make."""
    given = head.only(b"traceparent")
    if given is None or not _well_formed(given):
        ids = randbytes(24).hex()  # noqa: S311 - names, no secrets
        return Trace(ids[:32], f"00-{ids[:32]}-{ids[32:]}-01".encode(), b"")
    flags = int(given[53:55], 16) & _KNOWN_FLAGS
    span = randbytes(8).hex().encode()  # noqa: S311 - likewise
    return Trace(given[3:35].decode(), b"00-%b-%b-%02x" % (given[3:35], span, flags), _state(head))


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
