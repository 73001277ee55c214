"""HTTP messages as they pass through: the client's request, the upstream's request, and the response to either."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from talaria.domain.events import Attempt

Header = tuple[bytes, bytes]
"""One header line: the name in lower case, the value as it came, without outer white space."""

Headers = list[Header]

BODYLESS_STATUSES = frozenset({204, 304})
"""Responses of these never have a body (RFC 9110, sections 15.3.5 and 15.4.5)."""

_NO_CONTENT: Header = (b"content-length", b"0")
_CHUNKED: Header = (b"transfer-encoding", b"chunked")


class Body(Protocol):
    """A stream of byte chunks that can be given up early. Iterating it after `aclose` yields nothing more."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def __anext__(self) -> bytes: ...
    async def aclose(self) -> None: ...


class RequestBody(Protocol):
    """A client's body as it arrives. Reading it raises ClientGone, or the refusal that the body earns.

    `ended_ago`: seconds since its last byte arrived; None before. `repeatable`: iterated again it gives the same again.
    """

    @property
    def ended_ago(self) -> float | None: ...
    @property
    def repeatable(self) -> bool: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def __anext__(self) -> bytes: ...

    def begin(self, idle_timeout: float, upload_timeout: float) -> None:
        """Called once, before it is read, with the longest silence inside it and the longest wait for all of it."""


@dataclass(slots=True)
class ClientRequest:
    """A client's request as it arrived. Header names are in lower case; `target` is the raw path and query.

    `body` is None where the request has none. `length` is its `Content-Length`, None for a chunked body.
    `peer` is the address of the TCP peer, `scheme` the one that the client used.
    """

    method: str
    target: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    body: RequestBody | None = None
    length: int | None = None
    peer: str = ""
    scheme: str = "http"


@dataclass(slots=True)
class UpstreamRequest:
    """A request to an upstream. Framing is not among the headers: it follows from `body` and `length`.

    `body`: a stream, chunked where `length` is None; or bytes, which can be sent again; or None, where `length` 0 asks
    for an explicit `content-length: 0`.
    `timeout`: seconds from the end of the request, its body included, to the head of the response. `idle_timeout`: the
    longest silence inside a body, either way.
    `client_deadline`: the client's own deadline bounds the time, so running out of it is not the upstream's failure.
    `attempts` is the request's record, to which each attempt is appended.
    """

    method: str
    target: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    body: AsyncIterator[bytes] | bytes | None = field(repr=False)
    length: int | None
    timeout: float
    idle_timeout: float
    attempts: list[Attempt] = field(default_factory=list)
    client_deadline: bool = False

    def framing(self) -> Header | None:
        """The header that says where the body ends (RFC 9112, 6), if there is to be one."""
        if self.body is None:
            return _NO_CONTENT if self.length == 0 else None
        return _CHUNKED if self.length is None else (b"content-length", b"%d" % self.length)


@dataclass(slots=True)
class UpstreamResponse:
    """A response's head, and its body still arriving.

    `complete_body` is the body where all of it has arrived together with the head: `body` need not be read then.
    `user_unknown`: the upstream says that it does not know the user id that the request was sent under.
    The receiver reads `body` to its end or calls `body.aclose()`; either gives the connection back.
    """

    status: int
    headers: Headers = field(repr=False)
    body: Body
    complete_body: bytes | None = field(default=None, repr=False)
    user_unknown: bool = False


@dataclass(slots=True)
class ClientResponse:
    """The response for the client: an upstream's, its headers filtered. `body` and `complete_body` are as there.

    `idle_timeout`: the longest time in seconds in which the client may read nothing of it.
    """

    status: int
    headers: Headers = field(repr=False)
    body: Body
    complete_body: bytes | None = field(repr=False)
    idle_timeout: float
