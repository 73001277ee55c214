"""httpx's own transport with its traps closed, and its errors in our words.

The traps: bytes after the end of an answer would be read as the next answer on that connection; a request cancelled
while it waits for a place in httpcore's pool can take that place with it for good; one cancelled while it connects
can leave its socket open; all names of the process are looked up in the same few threads (wire/names.py); proxies are
taken from the environment; what is logged at INFO and DEBUG holds URLs and headers. Those of HTTP/2 are closed in
`http2.py`.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, Literal

import httpcore
import httpx
from anyio.abc import SocketStream
from httpcore import AsyncNetworkStream
from httpcore._backends.anyio import AnyIOStream

from talaria.adapters.http1.connect import is_ours, race, why
from talaria.adapters.http1.resolver import Names
from talaria.adapters.http2 import mend_http2
from talaria.adapters.tls import client_tls, why_refused
from talaria.domain.errors import GatewayOverloaded

LOGGERS = ("httpx", "httpcore", "hpack", "h2")
_CHILDREN = ("httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "hpack.hpack", "hpack.table")

Kind = Literal["unreachable", "bad_answer", "timeout"]
"""The field of `errors.Faults` that says it in the domain's words."""

KINDS: tuple[tuple[type[httpx.HTTPError], Kind], ...] = (
    (httpx.TimeoutException, "timeout"),
    (httpx.RemoteProtocolError, "bad_answer"),
    (httpx.DecodingError, "bad_answer"),
    (httpx.HTTPError, "unreachable"),
)
"""The first row that fits counts."""

_GONE = ("Server disconnected", "peer closed connection", "<ConnectionTerminated", "<StreamReset")
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLError, "TLS failure"),
    (socket.gaierror, "name not found"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "connection reset"),
    (BrokenPipeError, "connection reset"),
    (httpx.ConnectTimeout, "no connection in time"),
    (httpx.TimeoutException, "silence for too long"),
    (httpx.ProxyError, "refused by the egress proxy"),
    (httpx.RemoteProtocolError, "not HTTP as it must be"),
    (httpx.ConnectError, "no connection"),
)


def kind_of(error: httpx.HTTPError) -> tuple[Kind, str]:
    """What an error of httpx is in the domain's words, and its cause: fixed words, never the library's own text."""
    # httpx has one type for "this is no HTTP" and for "closed before its end"; only the text tells them apart.
    if isinstance(error, httpx.RemoteProtocolError) and str(error).startswith(_GONE):
        return "unreachable", "connection closed"
    kind = next(kind for type_, kind in KINDS if isinstance(error, type_))
    return kind, _cause_of(error)


def httpx_transport(
    *,
    max_connections: int,
    http2: bool = False,
    egress_proxy: str = "",
    ssl_context: ssl.SSLContext | None = None,
    idle_seconds: float = 30.0,
    local_address: str | None = None,
) -> httpx.AsyncHTTPTransport:
    """A transport that keeps up to `max_connections` idle connections for `idle_seconds`.

    It opens as many as it is asked for: who uses it limits the requests at once, fairly, before they come here.
    `ssl_context`: else the system's certificates are trusted. `egress_proxy`: the url of an HTTP proxy.
    `local_address`: the address to call from.
    """
    tls = ssl_context or client_tls()
    limits = (None, max_connections, idle_seconds)
    network = _Backend()
    way: dict[str, Any] = {"http2": http2, "local_address": local_address, "network_backend": network}
    if not egress_proxy:
        return _Transport(_Pool(tls, None, *limits, **way), network)
    proxy = httpx.Proxy(egress_proxy)
    return _Transport(_ProxyPool(str(proxy.url), proxy.raw_auth, None, tls, None, *limits, **way), network)


class _Leavers:
    """Speaks TLS to the end, also for who leaves meanwhile: the socket is closed then, and nothing stays open."""

    def __init__(self) -> None:
        self._closing: set[asyncio.Task[None]] = set()

    async def wait_for(self, connecting: Coroutine[Any, Any, AsyncNetworkStream]) -> AsyncNetworkStream:
        """What it connects."""
        task = asyncio.create_task(connecting)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            closing = asyncio.create_task(_close(task))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            raise

    async def gone(self) -> None:
        """Wait for what is still to be closed: no longer than connecting may take."""
        await asyncio.gather(*self._closing)


async def _close(connecting: "asyncio.Task[AsyncNetworkStream]") -> None:
    with suppress(Exception):  # then there is nothing to close
        await (await connecting).aclose()


class _Stream(AnyIOStream):
    """A socket that may go on to TLS."""

    def __init__(self, stream: SocketStream, leavers: _Leavers) -> None:
        super().__init__(stream)
        self._leavers = leavers

    async def start_tls(self, *args: Any, **kwargs: Any) -> AsyncNetworkStream:
        return await self._leavers.wait_for(super().start_tls(*args, **kwargs))


class _Backend(httpcore.AnyIOBackend):
    """What httpcore takes anyway under asyncio, but that it connects as the wire does."""

    def __init__(self) -> None:
        self.leavers = _Leavers()
        self._names = Names()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                sock = await race(await self._names.addresses_of(host, port), local_address)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except OSError as error:
            if is_ours(error):
                raise GatewayOverloaded(why(error), retry_after=1.0) from None
            raise httpcore.ConnectError from error
        try:
            return _Stream(await SocketStream.from_socket(sock), self.leavers)
        except BaseException:
            sock.close()
            raise


class _NoSurplus(httpcore.AsyncConnectionPool):
    """Closes a connection that has bytes left when its answer is over, before it can serve anybody else.

    And keeps one that others still wait for where whoever began to connect has left: else they would connect it, and
    nobody would know of it any more.
    """

    def _assign_requests_to_connections(self) -> list[httpcore.AsyncConnectionInterface]:
        for request in self._requests:
            _let_try_again(request.connection)
        surplus = [connection for connection in self._connections if connection.is_idle() and _has_surplus(connection)]
        for connection in surplus:
            self._connections.remove(connection)
        return surplus + super()._assign_requests_to_connections()


class _Pool(_NoSurplus):
    """Straight to the origin."""


class _ProxyPool(_NoSurplus, httpcore.AsyncHTTPProxy):
    """Through an egress proxy."""

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """As the base does. The raw target is in the url by now; httpcore would put it into its CONNECT too."""
        request.extensions = {name: value for name, value in request.extensions.items() if name != "target"}
        return await super().handle_async_request(request)


class _Transport(httpx.AsyncHTTPTransport):
    def __init__(self, pool: httpcore.AsyncConnectionPool, network: _Backend) -> None:
        self._pool = pool
        self._network = network

    async def aclose(self) -> None:
        """Close every connection, those too that nobody waits for any more."""
        await super().aclose()
        await self._network.leavers.gone()


class Quiet(logging.Filter):
    """Lets nothing below WARNING through, whatever level somebody sets."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Only what does not carry the traffic."""
        return record.levelno >= logging.WARNING


def _let_try_again(connection: object) -> None:
    while connection is not None:
        if getattr(connection, "_connect_failed", False):
            connection._connect_failed = False  # type: ignore[attr-defined]
        connection = getattr(connection, "_connection", None)


def _has_surplus(connection: object) -> bool:
    while connection is not None:
        parser = getattr(connection, "_h11_state", None)
        if parser is not None:
            return bool(parser.trailing_data[0])
        connection = getattr(connection, "_connection", None)
    return False


def _cause_of(error: BaseException) -> str:
    chain = _chain(error)
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            return why_refused(link)
    return next((words for type_, words in _CAUSES for link in chain if isinstance(link, type_)), "connection lost")


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    ahead: list[BaseException] = [error]
    while ahead and len(chain) < 20:
        link = ahead.pop()
        chain.append(link)
        members = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        ahead += [*members, *(further for further in (link.__cause__ or link.__context__,) if further)]
    return chain


def _hush() -> None:
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in (*LOGGERS, *_CHILDREN):
        logging.getLogger(name).addFilter(Quiet())


_hush()
mend_http2()
