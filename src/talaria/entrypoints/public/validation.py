"""Request validation: target, declared length, and the pace of the body."""

import asyncio
from typing import Self
from urllib.parse import unquote_to_bytes

from talaria.domain.errors import BadRequest, BadRequestTarget, BodyTooLarge, UploadTimeout
from talaria.domain.http import ClientRequest
from talaria.domain.resilience import HEALED_METHODS
from talaria.domain.routing import check_known_method
from talaria.entrypoints.public.server.cycle import RequestResponseCycle

TARGET_CHARACTERS = bytes(set(range(0x21, 0x7F)) - set(b"\\#"))
_CONTROL = frozenset([*range(0x20), 0x7F])
_ODD = (
    *((odd, b".") for odd in (b"\xc0\xae", b"\xe0\x80\xae", b"\xf0\x80\x80\xae", b"%u002e")),
    *((odd, b"/") for odd in (b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"%u002f", b"%u2215")),
    *((odd, b"/") for odd in (b"\xc1\x9c", b"\xe0\x81\x9c", b"%u005c", b"%u2216", b"\\")),
)
"""Ways to write a dot or a slash that some server takes for one: overlong UTF-8, %u, a backslash."""
_DECODED_AT_MOST = 8
_KEPT_AT_MOST = 64 * 1024


def check_target(target: bytes) -> None:
    """Raises BadRequestTarget unless every server would read this target alike: origin-form, without a fragment, a
    backslash, a control character or a dot segment, however it is encoded.
    """
    if target[:1] != b"/" or target.translate(None, TARGET_CHARACTERS):
        raise BadRequestTarget
    path = target.partition(b"?")[0]
    if b"%" not in path and b"/." not in path:
        return
    for _ in range(_DECODED_AT_MOST):
        _refuse_dots(path)
        decoded = unquote_to_bytes(path)
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


class ClientBody:
    """A client's body as it arrives. Implements `http.RequestBody`.

    `limit` in bytes (0: none) bounds all of it. A small one is kept where the method allows to send it again. Time
    counts while the client is waited for, not while the upstream takes what has arrived. Reading raises ClientGone,
    BodyTooLarge, UploadTimeout or BadRequest (broken framing).
    """

    def __init__(self, cycle: RequestResponseCycle, limit: int) -> None:
        self._cycle = cycle
        self._limit = limit
        self._idle_timeout: float
        self._time_left: float
        self._kept: bytes | None = b"" if cycle.method in HEALED_METHODS else None
        self._again = b""
        self._ended = False
        self.bytes_in = 0

    @property
    def ended_ago(self) -> float | None:
        ended_at = self._cycle.ended_at
        return None if ended_at is None else asyncio.get_running_loop().time() - ended_at

    @property
    def repeatable(self) -> bool:
        return self._kept is not None and (self._ended or not (self.bytes_in or self._cycle.more_body))

    def begin(self, idle_timeout: float, upload_timeout: float) -> None:
        self._idle_timeout = idle_timeout
        self._time_left = upload_timeout

    def __aiter__(self) -> Self:
        self._again = self._kept or b""
        return self

    async def __anext__(self) -> bytes:
        if self._again:
            chunk, self._again = self._again, b""
            return chunk
        while not self._ended:
            chunk = await self._next()
            self.bytes_in += len(chunk)
            if self._limit and self.bytes_in > self._limit:
                raise BodyTooLarge
            if self._kept is not None:
                self._kept = self._kept + chunk if self.bytes_in <= _KEPT_AT_MOST else None
            if chunk:
                return chunk
        raise StopAsyncIteration

    async def _next(self) -> bytes:
        loop = asyncio.get_running_loop()
        since = loop.time()
        try:
            async with asyncio.timeout(min(self._idle_timeout, self._time_left)):
                chunk, more = await self._cycle.receive()
        except TimeoutError:
            silent = self._idle_timeout < self._time_left
            raise UploadTimeout("silent inside its body" if silent else "an upload without an end") from None
        self._time_left -= loop.time() - since
        if self._cycle.broken:
            raise BadRequest("broken framing of the body")
        self._ended = not more
        return chunk


def check_head(cycle: RequestResponseCycle) -> None:
    """Raises the refusal that the head alone is refused with: the server's, a method's, a bad target's."""
    if cycle.refusal is not None:
        raise cycle.refusal
    check_known_method(cycle.method)
    check_target(cycle.target)


def to_client_request(cycle: RequestResponseCycle, body_limit: int) -> tuple[ClientRequest, ClientBody | None]:
    """The request as the domain takes it, and its body, where it has one.

    Raises what `check_head` raises, or BodyTooLarge for a length over the limit.
    """
    check_head(cycle)
    framing = cycle.framing
    length = 0 if framing.chunked and cycle.body_is_empty else framing.length
    if length is not None and body_limit and length > body_limit:
        raise BodyTooLarge
    body = ClientBody(cycle, body_limit) if length or (length is None and framing.chunked) else None
    return ClientRequest(cycle.method, cycle.target, cycle.headers, body, length, cycle.peer, cycle.scheme), body
