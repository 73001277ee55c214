"""What a head says of its framing, and what one earns that can't be read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httptools

from talaria.domain.errors import (
    BadRequest,
    BadRequestTarget,
    HeadersTooLarge,
    MethodNotAllowed,
    Refusal,
    TargetTooLong,
)
from talaria.domain.http import Headers
from talaria.domain.routing import refuse_tunnels
from talaria.entrypoints.public.server.cycle import Cycle

if TYPE_CHECKING:
    from talaria.entrypoints.public.server.connection import Connection

FRAMING = frozenset({b"content-length", b"transfer-encoding", b"expect"})


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a connection: bytes and seconds."""

    header_limit: int
    header_timeout: float
    keepalive_timeout: float


def frame(cycle: Cycle, name: bytes, value: bytes) -> None:
    """What one of the framing headers says (httptools has checked that a length is a number, and stands alone)."""
    if name == b"content-length":
        cycle.length = int(value)
    elif name == b"transfer-encoding":
        cycle.chunked = True
        if cycle.old or value.strip().lower() != b"chunked":
            cycle.refusal = BadRequest("a transfer coding other than chunked, or of HTTP/1.0")
    elif value.lower() == b"100-continue":
        cycle.expects = not cycle.old
    else:
        cycle.refusal = BadRequest("an expectation that can't be met")
    if cycle.chunked and cycle.length is not None:
        cycle.refusal = BadRequest("ambiguous framing")


def refusal_of(error: Exception, method: bytes) -> Refusal:
    """For what httptools does not take; a tunnel is refused as such, whatever its target."""
    if not isinstance(error, httptools.HttpParserInvalidURLError):
        return BadRequest(type(error).__name__)
    try:
        refuse_tunnels(method.decode("ascii"))
    except MethodNotAllowed as refusal:
        return refusal
    return BadRequestTarget()


def too_large(target: bytes, headers: Headers, limit: int) -> Refusal | None:
    """Is this head over the limit? For one that came in one piece with other bytes: its own size counts."""
    if len(target) > limit:
        return TargetTooLong()
    size = len(target) + sum(len(name) + len(value) + 4 for name, value in headers)
    return HeadersTooLarge() if size > limit else None


class _BodyOnly:
    """Passes on the body of one request, and lets the connection read nothing after it."""

    def __init__(self, connection: "Connection") -> None:
        self._connection: Connection | None = connection

    def on_body(self, body: bytes) -> None:
        if self._connection is not None:
            self._connection.on_body(body)

    def on_message_complete(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.on_message_complete()
            connection.discard()


def body_parser(connection: "Connection", length: int | None) -> httptools.HttpRequestParser:
    """A parser that stands behind a head, in front of a body of `length` bytes, or a chunked one (None)."""
    parser = httptools.HttpRequestParser(_BodyOnly(connection))
    framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
    parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
    return parser
