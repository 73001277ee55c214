"""The same connections for `httpx.AsyncClient`: what calls other services keeps the httpx API and gets our wire.

Unlike httpx's own transport it never takes surplus bytes for the next answer, and sends nothing but HTTP/1.1.
"""

import ssl
from collections.abc import AsyncIterator
from typing import Final

import httpx

from talaria.adapters.http1.timer import NEVER
from talaria.adapters.http1.upstream import WireOrigin
from talaria.domain.errors import BadAnswer, BadRequest, GatewayOverloaded, Refusal, TimedOut, Unreachable
from talaria.domain.http import Body, Headers, UpstreamRequest, UpstreamResponse

_FRAMING: Final = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})
_TABLE: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (TimedOut, httpx.ReadTimeout),
    (BadAnswer, httpx.RemoteProtocolError),
    (Unreachable, httpx.ReadError),
    (BadRequest, httpx.LocalProtocolError),
    (ValueError, httpx.LocalProtocolError),
)
_CONNECT_TABLE: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (TimedOut, httpx.ConnectTimeout),
    (Unreachable, httpx.ConnectError),
)


class WireTransport(httpx.AsyncBaseTransport):
    """One pool for each host that is called; meant for the few hosts of a configuration.

    The arguments are those of `WireOrigin`. Of a request's timeouts, `connect` bounds the connecting, both together the
    wait for the head, `read` each silence inside a body. The `Host` sent is always that of the url.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 1.0,
        max_connections: int = 64,
        idle_seconds: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
        local_address: str | None = None,
    ) -> None:
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._idle_seconds = idle_seconds
        self._ssl_context = ssl_context
        self._local_address = local_address
        self._origins: dict[tuple[bytes, bytes, int | None], WireOrigin] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and answer once the head is there.

        Raises httpx.ConnectError, ConnectTimeout, ReadError, ReadTimeout, RemoteProtocolError or LocalProtocolError;
        reading the answer raises the three in the middle too. GatewayOverloaded is ours, and stays what it is.
        """
        timeouts = request.extensions.get("timeout", {})
        connect_timeout = timeouts.get("connect") or self._connect_timeout
        outbound = _outbound_of(request, connect_timeout, timeouts.get("read"))
        try:
            answer = await self._origin_of(request.url).send(outbound, connect_timeout=connect_timeout)
        except GatewayOverloaded:
            raise
        except (Refusal, ValueError) as error:
            connecting = bool(outbound.attempts) and outbound.attempts[-1].outcome == "connect"
            raise _translated(error, connecting) from None
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_stream_of(answer),
            extensions={"http_version": b"HTTP/1.1"},
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for origin in self._origins.values():
            await origin.aclose()

    def _origin_of(self, url: httpx.URL) -> WireOrigin:
        key = (url.raw_scheme, url.raw_host, url.port)
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origins[key] = WireOrigin(
                f"{url.scheme}://{url.netloc.decode('ascii')}",
                connect_timeout=self._connect_timeout,
                max_connections=self._max_connections,
                idle_seconds=self._idle_seconds,
                ssl_context=self._ssl_context,
                local_address=self._local_address,
            )
        return origin


class _Stream(httpx.AsyncByteStream):
    """A body as httpx wants it."""

    def __init__(self, body: Body) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body:
                yield chunk
        except Refusal as error:
            raise _translated(error, connecting=False) from None

    async def aclose(self) -> None:
        await self._body.aclose()


def _stream_of(answer: UpstreamResponse) -> httpx.AsyncByteStream:
    return _Stream(answer.body) if answer.complete_body is None else httpx.ByteStream(answer.complete_body)


def _outbound_of(request: httpx.Request, connect_timeout: float, read: float | None) -> UpstreamRequest:
    headers: Headers = []
    framing: dict[bytes, bytes] = {}
    for raw, value in request.headers.raw:
        name = raw.lower()
        if name in _FRAMING:
            framing[name] = value
        else:
            headers.append((name, value))
    length = int(framing[b"content-length"]) if b"content-length" in framing else None
    body: AsyncIterator[bytes] | None = None
    if length or b"transfer-encoding" in framing:
        body = aiter(request.stream)  # type: ignore[arg-type]
    patience = NEVER if read is None else read
    return UpstreamRequest(
        request.method, request.url.raw_path, headers, body, length, connect_timeout + patience, patience
    )


def _translated(error: Exception, connecting: bool) -> httpx.TransportError:
    """httpx's name for it. Its text is ours and holds no data."""
    table = _CONNECT_TABLE + _TABLE if connecting else _TABLE
    kind = next((theirs for ours, theirs in table if isinstance(error, ours)), httpx.TransportError)
    return kind(str(error))
