"""What must hold of a request before anybody looks at what it asks for: its target, its length, its body's pace."""

import asyncio
from collections.abc import Callable
from typing import Protocol, Self

from talaria.domain.errors import BadRequest, BadRequestTarget, BodyTooLarge, ClientGone, Refusal
from talaria.domain.events import RequestContext
from talaria.domain.http import ClientRequest, Headers
from talaria.domain.routing import refuse_tunnels

_TARGET_CHARACTERS = bytes(set(range(0x21, 0x7F)) - set(b"\\#"))
_CONTROL = frozenset([*range(0x20), 0x7F])
_ODD = (
    *((odd, b".") for odd in (b"\xc0\xae", b"\xe0\x80\xae", b"\xf0\x80\x80\xae", b"%u002e")),
    *((odd, b"/") for odd in (b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"%u002f", b"%u2215")),
    *((odd, b"/") for odd in (b"\xc1\x9c", b"\xe0\x81\x9c", b"%u005c", b"%u2216", b"\\")),
)
"""Ways to write a dot or a slash that some server takes for one: overlong UTF-8, %u, a backslash."""
_HEX = b"0123456789abcdefABCDEF"
_DECODED_AT_MOST = 8


class Arrival(Protocol):
    """One request as the server hands it over, and the way back to its client.

    `length` and `chunked` say how its body is framed, `old` that the client speaks HTTP/1.0. `refusal`: what the head
    alone earns. `broken`: the framing of the body broke. `idle_timeout`: how long the client may read nothing.
    """

    method: str
    target: bytes
    headers: Headers
    length: int | None
    chunked: bool
    refusal: Refusal | None
    broken: bool
    disconnected: bool
    response_started: bool
    idle_timeout: float
    on_gone: Callable[[], object] | None

    @property
    def peer(self) -> str:
        """The address of the TCP peer."""
        ...

    @property
    def scheme(self) -> str:
        """What the client spoke to us: http or https."""
        ...

    @property
    def bodiless(self) -> bool:
        """Is it known by now that its body holds nothing?"""
        ...

    @property
    def congested(self) -> bool:
        """Does the client not read what was sent so far?"""
        ...

    async def receive(self) -> tuple[bytes, bool]:
        """What has arrived of the body, and whether more is to come. Raises ClientGone."""
        ...

    async def drained(self) -> None:
        """Wait until the client reads. Raises ClientGone."""
        ...

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer, in one write."""
        ...

    def begin(self, status: int, headers: Headers) -> None:
        """The head of an answer whose body follows."""
        ...

    async def write(self, data: bytes) -> None:
        """A piece of the body; waits while the client does not read. Raises ClientGone."""
        ...

    def finish(self) -> None:
        """The end of the body."""
        ...

    def abort(self) -> None:
        """Cut the connection: what was sent of the answer so far is not whole."""
        ...


def check_target(target: bytes) -> None:
    """Raises BadRequestTarget unless every server would read this target alike: origin-form, without a fragment, a
    backslash, a control character or a dot segment, however it is encoded.
    """
    if target[:1] != b"/" or target.translate(None, _TARGET_CHARACTERS):
        raise BadRequestTarget
    path = target.partition(b"?")[0]
    if b"%" not in path and b"/." not in path:
        return
    for _ in range(_DECODED_AT_MOST):
        _refuse_dots(path)
        decoded = _unquote(path)
        if decoded == path:
            return
        path = decoded
    raise BadRequestTarget("encoded too often")


def _refuse_dots(path: bytes) -> None:
    if not _CONTROL.isdisjoint(path):
        raise BadRequestTarget("a control character")
    path = path.lower()
    for odd, plain in _ODD:
        path = path.replace(odd, plain)
    for segment in path.split(b"/"):
        if segment.partition(b";")[0] in (b".", b".."):
            raise BadRequestTarget("a dot segment")


def _unquote(path: bytes) -> bytes:
    first, *rest = path.split(b"%")
    return first + b"".join(_decoded(part) for part in rest)


def _decoded(part: bytes) -> bytes:
    """What stands behind a percent sign, with its first two characters as a byte where they are hexadecimal."""
    digits = part[:2]
    if len(digits) < 2 or digits.strip(_HEX):
        return b"%" + part
    return bytes([int(digits, 16)]) + part[2:]


class RequestBody:
    """A client's body as it arrives, at most `limit` bytes (0: no limit), with no silence over the route's idle time.

    Raises ClientGone, BodyTooLarge or BadRequest (broken framing) while it is read.
    """

    def __init__(self, arrival: Arrival, context: RequestContext, limit: int) -> None:
        self._arrival = arrival
        self._journey = context
        self._limit = limit
        self._ended = False
        self.bytes_in = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            chunk = await self._next()
            self.bytes_in += len(chunk)
            if self._limit and self.bytes_in > self._limit:
                raise BodyTooLarge
            if chunk:
                return chunk
        raise StopAsyncIteration

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._journey.idle_timeout):
                chunk, more = await self._arrival.receive()
        except TimeoutError:
            raise ClientGone("silent inside its body") from None
        if self._arrival.broken:
            raise BadRequest("broken framing of the body")
        self._ended = not more
        return chunk


def check_head(arrival: Arrival) -> None:
    """Raises the refusal that the head alone earns: what the server found, a tunnel, a bad target."""
    if arrival.refusal is not None:
        raise arrival.refusal
    refuse_tunnels(arrival.method)
    check_target(arrival.target)


def take_in(arrival: Arrival, context: RequestContext, body_limit: int) -> ClientRequest:
    """The request as the domain takes it.

    Raises what `check_head` raises, or BodyTooLarge for a length over the limit.
    """
    check_head(arrival)
    length = 0 if arrival.chunked and arrival.bodiless else arrival.length
    if length is not None and body_limit and length > body_limit:
        raise BodyTooLarge
    body = RequestBody(arrival, context, body_limit) if length or (length is None and arrival.chunked) else None
    return ClientRequest(arrival.method, arrival.target, arrival.headers, body, length, arrival.peer, arrival.scheme)
