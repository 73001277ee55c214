"""The same connections as a transport of httpx, with its requests and responses.

Unlike httpx's own it never takes surplus bytes for the next response, and sends nothing but HTTP/1.1.
"""

import ssl
from collections.abc import AsyncIterator
from typing import Final, TypedDict, Unpack

import httpx

from talaria.adapters.http1.pool import PoolState
from talaria.adapters.http1.timer import NEVER
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.domain.http import Body, UpstreamRequest

_FRAMING: Final = frozenset({b"host", b"connection", b"content-length", b"transfer-encoding"})


class ConnectionOptions(TypedDict, total=False):
    """How each host is connected to, as `Http1Upstream` says."""

    max_connections: int
    idle_seconds: float
    ssl_context: ssl.SSLContext | None
    local_address: str | None
    egress_proxy: str


class Http1Transport(httpx.AsyncBaseTransport):
    """One pool for each host that is called; meant for the few hosts of a configuration.

    The arguments are those of `Http1Upstream`. Of a request's timeouts, `connect` bounds the connecting, both together
    the wait for the head, `read` each silence inside a body. The `Host` sent is always that of the url, and a request's
    body is sent whole.
    """

    def __init__(self, *, connect_timeout: float = 1.0, **options: Unpack[ConnectionOptions]) -> None:
        self._connect_timeout = connect_timeout
        self._options = options
        self._upstreams: dict[tuple[bytes, bytes, int | None], Http1Upstream] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and respond once the head is there. Raises Http1Errors, and so does reading the response."""
        timeouts = request.extensions.get("timeout", {})
        connect_timeout = timeouts.get("connect") or self._connect_timeout
        read = timeouts.get("read")
        to_send = await _request_of(request, connect_timeout, NEVER if read is None else read)
        response = await self._upstream_of(request.url).send(to_send, connect_timeout=connect_timeout)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Stream(response.body),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def pool_state(self) -> PoolState:
        """That of all hosts together, and the certificate that ends first."""
        states = [upstream.pool_state() for upstream in self._upstreams.values()]
        ends = [state.certificate_end for state in states if state.certificate_end]
        return PoolState(
            sum(state.in_use for state in states),
            sum(state.idle for state in states),
            sum(state.waiting for state in states),
            min(ends, default=0.0),
        )

    async def follow_names(self) -> None:
        """Renew the connections to addresses that their names have no longer."""
        for upstream in self._upstreams.values():
            await upstream.follow_names()

    async def aclose(self) -> None:
        """Close every connection."""
        for upstream in self._upstreams.values():
            await upstream.aclose()

    def _upstream_of(self, url: httpx.URL) -> Http1Upstream:
        key = (url.raw_scheme, url.raw_host, url.port)
        upstream = self._upstreams.get(key)
        if upstream is None:
            base_url = f"{url.scheme}://{url.netloc.decode('ascii')}"
            upstream = Http1Upstream(base_url, connect_timeout=self._connect_timeout, **self._options)
            self._upstreams[key] = upstream
        return upstream


class _Stream(httpx.AsyncByteStream):
    """A body as httpx wants it."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.__aiter__()

    async def aclose(self) -> None:
        await self._body.aclose()


async def _request_of(request: httpx.Request, connect_timeout: float, idle_timeout: float) -> UpstreamRequest:
    body = await request.aread()
    length = len(body) if body or "content-length" in request.headers else None
    headers = [(name.lower(), value) for name, value in request.headers.raw if name.lower() not in _FRAMING]
    timeout = connect_timeout + idle_timeout
    return UpstreamRequest(request.method, request.url.raw_path, headers, body or None, length, timeout, idle_timeout)
