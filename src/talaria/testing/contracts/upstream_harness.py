"""What the contract of `Upstream` needs: a back end that a test scripts, request by request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from talaria.domain.http import Headers, UpstreamRequest, UpstreamResponse
from talaria.domain.ports import Upstream


class BackendRequest(Protocol):
    """One request as it came to the back end, and the response that the handler makes. Header names in lower case."""

    method: str
    target: bytes
    headers: Headers

    async def read(self) -> bytes:
        """The next piece of the request's body, b"" at its end."""

    async def read_all(self) -> bytes:
        """What is left of the request's body."""

    async def interim(self, status: int) -> None:
        """Send a 1xx response before the response."""

    async def head(self, status: int, headers: Headers | None = None, length: int | None = None) -> None:
        """Begin the response; without a `length` its body is chunked."""

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the response's body."""

    async def end(self, how: Literal["well", "reset", "nonsense"] = "well") -> None:
        """End the response, or break it: with a reset, or with bytes that are not HTTP. Done by itself at the end."""

    async def wait_disconnected(self) -> None:
        """Wait until the sender has disconnected."""


Handler = Callable[[BackendRequest], Awaitable[None]]


class UpstreamHarness(Protocol):
    """A back end and the Upstream that talks to it."""

    authority: bytes

    @property
    def upstream(self) -> Upstream: ...

    def serve(self, handler: Handler) -> None:
        """Serve every request by this handler from now on."""

    def in_flight(self) -> int:
        """How many requests are under way, by the count of the Upstream."""


class UpstreamTests:
    """Derive, and give a `harness`."""

    def harness(self) -> AbstractAsyncContextManager[UpstreamHarness]:
        """A back end that has no handler yet."""
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


async def text_of(response: UpstreamResponse) -> bytes:
    """The whole body, however it came."""
    return (
        b"".join([piece async for piece in response.body]) if response.complete_body is None else response.complete_body
    )


async def hello(incoming: BackendRequest) -> None:
    """A good response to anything."""
    await incoming.read_all()
    await incoming.head(200, length=5)
    if incoming.method != "HEAD":
        await incoming.write(b"hello")
