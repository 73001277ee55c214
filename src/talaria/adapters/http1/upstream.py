"""One url (scheme, host and port), over kept connections."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final, Protocol

from talaria.adapters.http1.connect import Endpoint
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.errors import (
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    LocalProtocolError,
    PoolExhausted,
    ReadTimeout,
    RemoteProtocolError,
    WriteTimeout,
)
from talaria.adapters.http1.pool import Limits, Pool, PoolState
from talaria.adapters.http1.request_body import BodyWriter
from talaria.domain.events import Attempt
from talaria.domain.http import UpstreamRequest, UpstreamResponse
from talaria.domain.resilience import may_retry

_OUTCOMES: Final = (
    ((ConnectError, ConnectTimeout), "connect"),
    ((ReadTimeout, WriteTimeout), "timeout"),
    (RemoteProtocolError, "bad-answer"),
    (ConnectionClosed, "broken"),
    (PoolExhausted, "overloaded"),
    (asyncio.CancelledError, "cancelled"),
)


class SentRequest(Protocol):
    """A request that was sent at `since` on a connection of this url; `future` is that of its response."""

    connection: Connection
    since: float
    future: asyncio.Future[UpstreamResponse]


class Http1Upstream:
    """Requests to one url.

    `name` and `address` are what its attempts carry. `ssl_context`: else `client_tls` without files. `local_address`:
    the address to call from. `egress_proxy`: the url of an http proxy to tunnel through. `max_connection_age` in
    seconds, less up to 10 % at random. `now`: monotonic seconds for the attempts; deadlines go by the loop's clock.
    Every attempt is noted in `request.attempts`; its outcome is "ok", the status from 500 on, "connect" where nothing
    can have been received, "broken", "timeout", "bad-answer", "overloaded", "cancelled", or "client" where the
    request's own body failed.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "upstream",
        address: str = "",
        connect_timeout: float = 1.0,
        max_connections: int = 256,
        idle_seconds: float = 30.0,
        max_connection_age: float = 300.0,
        ssl_context: ssl.SSLContext | None = None,
        local_address: str | None = None,
        egress_proxy: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        endpoint = Endpoint.of(url, ssl_context, local_address, egress_proxy)
        limits = Limits(connect_timeout, max_connections, 4 * max_connections, idle_seconds, max_connection_age)
        self._pool = Pool(endpoint, limits)
        self.take, self.give_back = self._pool.take, self._pool.on_idle
        self.host_line = b"host: " + endpoint.authority
        self._name = name
        self.address = address
        self._now = now

    @property
    def in_flight(self) -> int:
        """Requests that are under way or wait for a connection, bodies of responses included."""
        return self._pool.in_flight

    def pool_state(self) -> PoolState:
        """What becomes of its connections."""
        return self._pool.state()

    async def follow_names(self) -> None:
        """Renew the connections to addresses that the url's name has no longer."""
        await self._pool.follow_name()

    async def aclose(self) -> None:
        """Close every connection, those in use too."""
        await self._pool.aclose()

    async def send(
        self,
        request: UpstreamRequest,
        timeout: float | None = None,
        *,
        connect_timeout: float | None = None,
        sent: SentRequest | None = None,
    ) -> UpstreamResponse:
        """The response, once its head is there: within `timeout` seconds, else the request's own.

        `connect_timeout`: in place of that of all requests. `sent`: the first attempt was made already.

        Where a kept connection turns out to be closed, a request that may be sent again (`may_retry`) gets a second
        attempt, on a new connection; nothing else is ever sent twice. Raises an Http1Error, or what reading the
        request's body raises; reading the response's body raises ConnectionClosed, RemoteProtocolError or ReadTimeout.
        """
        head = serialize_head(request, self.host_line)
        pool = self._pool
        now = pool.now()
        deadline = now + (request.timeout if timeout is None else timeout)
        since = self._now() if sent is None else sent.since
        connection = pool.take(now) if sent is None else sent.connection
        if connection is None:
            connection = await self._connect(request, deadline, since, connect_timeout, new=False)
        stream = request.body
        if isinstance(stream, bytes):
            head, stream = head + stream, None
        while True:
            body = None if stream is None else BodyWriter(stream, request.length)
            future: asyncio.Future[UpstreamResponse] | None = None
            try:
                if sent is None:
                    future = connection.begin(head, request.method == "HEAD", deadline, request.idle_timeout, body)
                else:
                    future, sent = sent.future, None
                response = await future
            except BaseException as error:
                connection.abandon(future)
                self._note(request, since, _outcome(error))
                if not _may_go_again(error, request, connection):
                    raise
            else:
                self._note(request, since, "ok" if response.status < 500 else str(response.status))
                return response
            since = self._now()
            connection = await self._connect(request, deadline, since, connect_timeout, new=True)

    async def _connect(
        self, request: UpstreamRequest, deadline: float, since: float, connect_timeout: float | None, *, new: bool
    ) -> Connection:
        try:
            return await self._pool.get(deadline, new=new, connect_timeout=connect_timeout)
        except BaseException as error:
            self._note(request, since, _outcome(error))
            raise

    def _note(self, request: UpstreamRequest, since: float, outcome: str) -> None:
        request.attempts.append(Attempt(self._name, since, self._now() - since, outcome, self.address))


def serialize_head(request: UpstreamRequest, host: bytes) -> bytes:
    """The head of a request, the empty line included: one join, framing from its `body` and `length`.

    `host`: the line that names the authority. Raises LocalProtocolError where a header or the target
    holds a line break or the target a space: never sent.
    """
    request_line = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.target)
    lines = [request_line, host, *map(b": ".join, request.headers)]
    framing = request.framing()
    if framing is not None:
        lines.append(b": ".join(framing))
    content = b"".join(lines)
    if b"\n" in content or b"\r" in content or request_line.count(b" ") != 2:
        raise LocalProtocolError("a request head with a line break inside a line")
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def _may_go_again(error: BaseException, request: UpstreamRequest, connection: Connection) -> bool:
    """Had the peer closed a kept connection before it said anything, and is it safe to ask again?"""
    return (
        isinstance(error, ConnectionClosed)
        and connection.served > 0
        and not connection.heard
        and may_retry(request.method, error.request_sent, request.body)
    )


def _outcome(error: BaseException) -> str:
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "client")
