"""One url of an upstream through httpx: for what our own client does not do, HTTP/2 and an egress proxy.

It talks to httpx's transport, not to its client: nothing is redirected, decoded, remembered or logged on the way.
One thing differs from the wire client. httpx reads no answer before the whole request is written: an early answer is
seen after the last byte of the body, and is lost where the upstream closes the connection instead of reading it.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Self, cast

import httpx

from talaria.adapters.httpx_transport import Kind, httpx_transport, kind_of
from talaria.domain.errors import (
    BadAnswer,
    BadRequest,
    DependencyFault,
    GatewayOverloaded,
    TimedOut,
    Unreachable,
)
from talaria.domain.events import Attempt
from talaria.domain.http import Headers, UpstreamRequest, UpstreamResponse

_REFUSALS: dict[Kind, type[DependencyFault]] = {
    "unreachable": Unreachable,
    "bad_answer": BadAnswer,
    "timeout": TimedOut,
}
_OUTCOMES = (
    (TimedOut, "timeout"),
    (BadAnswer, "bad-answer"),
    (Unreachable, "broken"),
    (GatewayOverloaded, "overloaded"),
    (asyncio.CancelledError, "cancelled"),
)
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_BODYLESS = frozenset({204, 304})
_BOTH_FRAMINGS = frozenset({b"content-length", b"transfer-encoding"})


class HttpxOrigin:
    """The port `Upstream` for one url: scheme, host and port.

    `name` and `address` are what its attempts carry. At most `max_connections` requests at once, bodies of answers
    included; one more waits `connect_timeout` seconds for its turn, then GatewayOverloaded is raised. `now`: monotonic
    seconds, for the attempts.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "upstream",
        address: str = "",
        connect_timeout: float = 1.0,
        max_connections: int = 256,
        http2: bool = False,
        egress_proxy: str = "",
        ssl_context: ssl.SSLContext | None = None,
        local_address: str | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_flight = 0
        self._url = httpx.URL(url)
        self._authority = self._url.netloc
        self._name, self._address = name, address
        self._now = now
        self._connect_timeout = connect_timeout
        self._places = asyncio.Semaphore(max_connections)
        self._transport = httpx_transport(
            max_connections=max_connections,
            http2=http2,
            egress_proxy=egress_proxy,
            ssl_context=ssl_context,
            local_address=local_address,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def send(self, outbound: UpstreamRequest) -> UpstreamResponse:
        """As the port says. Nothing is ever sent twice."""
        started = self._now()
        upload = None if outbound.body is None else _Upload(outbound.body, outbound.length)
        self.in_flight += 1
        try:
            async with asyncio.timeout(outbound.timeout):
                answer = await self._answer(outbound, upload)
        except BaseException as error:
            self.in_flight -= 1
            outbound.client_deadline |= upload is not None and upload.awaited
            translated = _translated(error, upload)
            self._note(outbound, started, "connect" if isinstance(error, _NOT_CONNECTED) else _outcome(translated))
            raise translated from None
        self._note(outbound, started, "ok" if answer.status < 500 else str(answer.status))
        return answer

    def _note(self, outbound: UpstreamRequest, started: float, outcome: str) -> None:
        outbound.attempts.append(Attempt(self._name, started, self._now() - started, outcome, self._address))

    async def _answer(self, outbound: UpstreamRequest, upload: "_Upload | None") -> UpstreamResponse:
        await self._take_place()
        try:
            response = await self._transport.handle_async_request(self._request(outbound, upload))
            headers, bodyless = await _head_of(response, outbound.method)
        except BaseException:
            self._places.release()
            raise
        body = _AnswerBody(response, outbound.idle_timeout, self._leave)
        if not bodyless:
            return UpstreamResponse(response.status_code, headers, body)
        await body.aclose()
        return UpstreamResponse(response.status_code, headers, body, complete_body=b"")

    async def _take_place(self) -> None:
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._places.acquire()
        except TimeoutError:
            raise GatewayOverloaded(f"no connection to {self._name} to be had", retry_after=1.0) from None

    def _request(self, outbound: UpstreamRequest, upload: "_Upload | None") -> httpx.Request:
        framing = outbound.framing()
        waits = {"connect": self._connect_timeout, "write": outbound.idle_timeout}
        request = httpx.Request(
            outbound.method,
            self._url,
            headers=[(b"host", self._authority), *outbound.headers, *([framing] if framing else [])],
            stream=upload or httpx.ByteStream(b""),
            extensions={"target": outbound.target, "timeout": waits},
        )
        # httpx writes methods in capitals; a method is case-sensitive (RFC 9110, 9.1).
        request.method = outbound.method
        return request

    def _leave(self) -> None:
        self.in_flight -= 1
        self._places.release()


class _Upload(httpx.AsyncByteStream):
    """A request's body on its way, held to its length; remembers what the body raised, to tell it from httpx's own.

    `awaited`: its next piece has been asked for.
    """

    def __init__(self, body: AsyncIterator[bytes], length: int | None) -> None:
        self.raised: Exception | None = None
        self.awaited = False
        self._body = body
        self._length = length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            self.awaited = True
            async for piece in self._measured():
                self.awaited = False
                yield piece
                self.awaited = True
            self.awaited = False
        except Exception as error:
            self.raised = error
            raise

    async def _measured(self) -> AsyncIterator[bytes]:
        sent = 0
        async for piece in self._body:
            sent += len(piece)
            if self._length is not None and sent > self._length:
                raise BadRequest("the body is longer than its length")
            if piece:
                yield piece
        if self._length is not None and sent < self._length:
            raise BadRequest("the body is shorter than its length")


class _AnswerBody:
    """An answer's body, as it came over the wire; each chunk within `idle_timeout` seconds."""

    def __init__(self, response: httpx.Response, idle_timeout: float, leave: Callable[[], None]) -> None:
        self._response = response
        self._chunks = _chunks_of(response)
        self._idle_timeout = idle_timeout
        self._leave = leave
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk. Raises Unreachable, BadAnswer or TimedOut."""
        if self._over:
            raise StopAsyncIteration
        try:
            async with asyncio.timeout(self._idle_timeout):
                return await anext(self._chunks)
        except BaseException as error:
            await self.aclose()
            raise _translated(error, None) from None

    async def aclose(self) -> None:
        """Give the connection back where the body is read, else close it."""
        if self._over:
            return
        self._over = True
        try:
            await self._chunks.aclose()
            await self._response.aclose()
        finally:
            self._leave()


async def _chunks_of(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    # The Response's own readers decode, or refuse to begin again: the stream below has what came over the wire.
    async with aclosing(cast(AsyncGenerator[bytes, None], aiter(cast(httpx.AsyncByteStream, response.stream)))) as raw:
        async for chunk in raw:
            if chunk:
                yield chunk


async def _head_of(response: httpx.Response, method: str) -> tuple[Headers, bool]:
    """The headers, and whether the answer has no body: then it is read to its end. Closed where it is not fit."""
    try:
        if not 200 <= response.status_code <= 599:
            raise BadAnswer("upstream", f"status {response.status_code}")
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        if {name for name, _ in headers} >= _BOTH_FRAMINGS:
            raise BadAnswer("upstream", "both content-length and transfer-encoding")
        bodyless = method == "HEAD" or response.status_code in _BODYLESS
        if bodyless:
            async for _ in _chunks_of(response):
                pass
    except BaseException:
        await response.aclose()
        raise
    return headers, bodyless


def _translated(error: BaseException, upload: _Upload | None) -> BaseException:
    if upload is not None and upload.raised is not None and not isinstance(error, asyncio.CancelledError):
        return upload.raised
    if isinstance(error, TimeoutError):
        return TimedOut("upstream", "no answer in time")
    if isinstance(error, httpx.LocalProtocolError):
        return ValueError("a request head that can't be written")
    if isinstance(error, httpx.HTTPError):
        kind, cause = kind_of(error)
        return _REFUSALS[kind]("upstream", cause)
    return error


def _outcome(error: BaseException) -> str:
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "client")
