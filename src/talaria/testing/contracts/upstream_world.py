"""What the contract of `Upstream` needs: a back end that a test scripts, request by request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from talaria.domain.http import Headers, UpstreamRequest, UpstreamResponse
from talaria.domain.ports import Upstream


class Visit(Protocol):
    """One request as it came to the back end, and the answer that the script makes. Header names in lower case."""

    method: str
    target: bytes
    headers: Headers

    async def read(self) -> bytes:
        """The next piece of the request's body, b"" at its end."""
        ...

    async def read_all(self) -> bytes:
        """What is left of the request's body."""
        ...

    async def interim(self, status: int) -> None:
        """Send a 1xx answer before the answer."""
        ...

    async def head(self, status: int, headers: Headers | None = None, length: int | None = None) -> None:
        """Begin the answer; without a `length` its body is chunked."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the answer's body."""
        ...

    async def end(self, how: Literal["well", "reset", "nonsense"] = "well") -> None:
        """End the answer, or break it: with a reset, or with bytes that are not HTTP. Done by itself at the end."""
        ...

    async def left(self) -> None:
        """Wait until the client has gone."""
        ...


Script = Callable[[Visit], Awaitable[None]]


class UpstreamWorld(Protocol):
    """A back end and the Upstream that talks to it."""

    authority: bytes

    @property
    def upstream(self) -> Upstream: ...

    def serve(self, script: Script) -> None:
        """Serve every request so from now on."""
        ...

    def in_flight(self) -> int:
        """How many requests the Upstream thinks to be under way."""
        ...


class UpstreamTests:
    """Derive, and give a `world`."""

    def world(self) -> AbstractAsyncContextManager[UpstreamWorld]:
        """A world that answers nothing yet."""
        raise NotImplementedError


def request(
    method: str = "GET",
    target: bytes = b"/",
    headers: Headers | None = None,
    body: AsyncIterator[bytes] | None = None,
    length: int | None = None,
    *,
    timeout: float = 5.0,
    idle_timeout: float = 5.0,
) -> UpstreamRequest:
    """A request with much patience."""
    return UpstreamRequest(method, target, headers or [], body, length, timeout, idle_timeout)


async def pieces(*parts: bytes | BaseException) -> AsyncIterator[bytes]:
    """A body of these parts; an exception among them is raised."""
    for part in parts:
        if isinstance(part, BaseException):
            raise part
        yield part


async def text_of(answer: UpstreamResponse) -> bytes:
    """The whole body, however it came."""
    return b"".join([piece async for piece in answer.body]) if answer.complete_body is None else answer.complete_body


async def hello(visit: Visit) -> None:
    """A good answer to anything."""
    await visit.read_all()
    await visit.head(200, length=5)
    if visit.method != "HEAD":
        await visit.write(b"hello")
