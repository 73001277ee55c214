"""The port `Upstream` in memory: the back end is a function that is handed each request as it arrives.

    async def handler(incoming: MemoryBackendRequest) -> None:
        body = await incoming.read_all()
        await incoming.head(200, [(b"content-type", b"text/plain")])
        await incoming.write(b"hello")

Both bodies stream: the request is read when the handler reads it, and a piece of the response is written once the
one before it has been read.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal, Self

from talaria.domain.errors import BadAnswer, DependencyFault, Refusal, TimedOut, Unreachable
from talaria.domain.events import Attempt
from talaria.domain.http import BODYLESS_STATUSES, Headers, UpstreamRequest, UpstreamResponse

Handler = Callable[["MemoryBackendRequest"], Awaitable[None]]
_ENDS: dict[str, type[DependencyFault]] = {"reset": Unreachable, "nonsense": BadAnswer}


class ClientDisconnected(Exception):
    """The sender has given the request up, or the response has begun and cuts off the rest of the request's body."""


class MemoryBackendRequest:
    """A request at the back end, and the response that the handler makes. `gone` is set once the sender gives it up."""

    def __init__(self, request: UpstreamRequest) -> None:
        self.method, self.target = request.method, request.target
        self.headers: Headers = [(b"host", b"memory"), *request.headers]
        if (framing := request.framing()) is not None:
            self.headers.append(framing)
        self.gone = asyncio.Event()
        self.begun: asyncio.Future[tuple[int, Headers]] = asyncio.get_running_loop().create_future()
        self.chunks: asyncio.Queue[bytes | Refusal] = asyncio.Queue(1)
        self._body = _once(request.body) if isinstance(request.body, bytes) else request.body

    async def read(self) -> bytes:
        """The next piece of the request's body, b"" at its end."""
        if self._body is None or self.begun.done():
            return b""
        try:
            async for piece in self._body:
                if piece:
                    return piece
            return b""
        except Exception as error:
            self.fail(error)
            raise ClientDisconnected from None

    async def read_all(self) -> bytes:
        """What is left of the request's body."""
        body = b""
        while piece := await self.read():
            body += piece
        return body

    def fail(self, error: Exception) -> None:
        """Raise this at the sender, if it still waits for the response."""
        if not self.begun.done() and not self.gone.is_set():
            self.begun.set_exception(error)

    async def wait_disconnected(self) -> None:
        """Wait until the sender gives the request up."""
        await self.gone.wait()

    async def interim(self, status: int) -> None:
        """A 1xx response, which is not returned to the sender."""

    async def head(self, status: int, headers: Headers | None = None, length: int | None = None) -> None:
        """Begin the response; of `length` bytes, if that is known."""
        own = [] if length is None else [(b"content-length", b"%d" % length)]
        if not self.begun.done():
            self.begun.set_result((status, [*(headers or []), *own]))

    async def write(self, chunk: bytes) -> None:
        """A piece of the response's body; waits until the one before is read."""
        if self.gone.is_set():
            raise ClientDisconnected
        await self.chunks.put(chunk)

    async def end(self, how: Literal["well", "reset", "nonsense"] = "well") -> None:
        """End the response, or break it."""
        refusal = _ENDS[how]("upstream", "scripted") if how in _ENDS else None
        if refusal is not None and not self.begun.done():
            self.fail(refusal)
            return
        await self.chunks.put(refusal or b"")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


class MemoryUpstream:
    """The port `Upstream`, served by `handler`, which may be changed at any time."""

    def __init__(self, handler: Handler, *, name: str = "upstream", address: str = "") -> None:
        self.handler = handler
        self.in_flight = 0
        self._name, self._address = name, address
        self._tasks: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Give up every request."""
        for task in list(self._tasks):
            task.cancel()

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        incoming = MemoryBackendRequest(request)
        task = asyncio.ensure_future(self._serve(incoming))
        self._tasks.add(task)
        self.in_flight += 1
        body = _MemoryBody(incoming, request.idle_timeout, lambda: self._leave(task))
        scope, outcome = asyncio.timeout(request.timeout), ""
        try:
            async with scope:
                status, headers = await asyncio.shield(incoming.begun)
            outcome = "ok" if status < 500 else str(status)
        except BaseException as error:
            await body.aclose()
            # What the request's body raises may be a TimeoutError of its own.
            late = isinstance(error, TimeoutError) and scope.expired()
            outcome = "timeout" if late else "failed"
            raise TimedOut("upstream", "no answer in time") if late else error from None
        finally:
            request.attempts.append(Attempt(self._name, 0.0, 0.0, outcome, self._address))
        if request.method == "HEAD" or status in BODYLESS_STATUSES:
            await body.aclose()
            return UpstreamResponse(status, headers, body, complete_body=b"")
        return UpstreamResponse(status, headers, body)

    async def _serve(self, incoming: MemoryBackendRequest) -> None:
        try:
            await self.handler(incoming)
            await incoming.end("well" if incoming.begun.done() else "reset")
        except ClientDisconnected:
            return
        except Exception as error:
            incoming.fail(error)
        finally:
            incoming.fail(Unreachable("upstream", "given up"))

    def _leave(self, task: "asyncio.Task[None]") -> None:
        self.in_flight -= 1
        self._tasks.discard(task)
        task.cancel()


class _MemoryBody:
    """A response's body, as the handler writes it."""

    def __init__(self, incoming: MemoryBackendRequest, idle_timeout: float, leave: Callable[[], None]) -> None:
        self._incoming, self._idle_timeout, self._leave = incoming, idle_timeout, leave
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk, never empty."""
        if self._over:
            raise StopAsyncIteration
        try:
            async with asyncio.timeout(self._idle_timeout):
                chunk = await self._incoming.chunks.get()
        except BaseException as error:
            await self.aclose()
            raise TimedOut("upstream", "silence for too long") if isinstance(error, TimeoutError) else error from None
        if isinstance(chunk, bytes) and chunk:
            return chunk
        await self.aclose()
        raise chunk if isinstance(chunk, Refusal) else StopAsyncIteration

    async def aclose(self) -> None:
        """Nothing more will be read."""
        if not self._over:
            self._over = True
            self._incoming.gone.set()
            self._leave()
