"""One url (scheme, host and port), over kept connections."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final

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
    RequestBodyTimeout,
    WriteTimeout,
)
from talaria.adapters.http1.pool import Limits, Pool
from talaria.adapters.http1.request_body import RequestBody
from talaria.domain.model import Answer, Attempt, Outbound

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_OUTCOMES: Final = (
    ((ConnectError, ConnectTimeout), "connect"),
    ((ReadTimeout, WriteTimeout, RequestBodyTimeout), "timeout"),
    (RemoteProtocolError, "bad-answer"),
    (ConnectionClosed, "broken"),
    (PoolExhausted, "overloaded"),
    (asyncio.CancelledError, "cancelled"),
)
_METHODS: Final = {
    name: name.encode() + b" " for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}


class Http1Upstream:
    """Requests to one url.

    `name` and `address` are what its attempts carry. `ssl_context`: else `client_tls` without files. `local_address`:
    the address to call from. `egress_proxy`: the url of an http proxy to tunnel through. `now`: monotonic seconds for
    the attempts; deadlines go by the loop's clock. Every attempt is noted in `outbound.attempts`; its outcome is "ok",
    the status from 500 on, "connect" where nothing can have been received, "broken", "timeout", "bad-answer",
    "overloaded", "cancelled", or "client" where the request's own body failed.
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
        ssl_context: ssl.SSLContext | None = None,
        local_address: str | None = None,
        egress_proxy: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        endpoint = Endpoint.of(url, ssl_context, local_address, egress_proxy)
        limits = Limits(connect_timeout, max_connections, 4 * max_connections, idle_seconds)
        self._pool = Pool(endpoint, limits)
        self._line_end = b" HTTP/1.1\r\nhost: " + endpoint.authority
        self._name = name
        self._address = address
        self._now = now

    @property
    def in_flight(self) -> int:
        """Requests that are under way or wait for a connection, bodies of responses included."""
        return self._pool.in_flight

    async def aclose(self) -> None:
        """Close every connection, those in use too."""
        await self._pool.aclose()

    async def send(self, outbound: Outbound, timeout: float, connect_timeout: float | None = None) -> Answer:
        """The response, once its head is there: within `timeout` seconds. `connect_timeout`: else the upstream's own.

        A kept connection that turns out to be closed costs an idempotent request without a body a second attempt, on
        a new connection; nothing else is ever sent twice. Raises an Http1Error, or what reading the request's body
        raises; reading the response's body raises ConnectionClosed, RemoteProtocolError or ReadTimeout.
        """
        head = serialize_head(outbound, self._line_end)
        pool = self._pool
        deadline = pool.now() + timeout
        since = self._now()
        connection = pool.take()
        if connection is None:
            connection = await self._connect(outbound, deadline, since, connect_timeout, new=False)
        while True:
            body = None if outbound.body is None else RequestBody(outbound.body, outbound.length)
            future: asyncio.Future[Answer] | None = None
            try:
                future = connection.begin(head, outbound.method == "HEAD", deadline, outbound.idle_timeout, body)
                response = await future
            except BaseException as error:
                connection.abandon(future)
                self._note(outbound, since, _outcome(error))
                if not _may_go_again(error, outbound, connection):
                    raise
            else:
                self._note(outbound, since, "ok" if response.status < 500 else str(response.status))
                return response
            since = self._now()
            connection = await self._connect(outbound, deadline, since, connect_timeout, new=True)

    async def _connect(
        self, outbound: Outbound, deadline: float, since: float, connect_timeout: float | None, *, new: bool
    ) -> Connection:
        try:
            return await self._pool.get(deadline, new=new, connect_timeout=connect_timeout)
        except BaseException as error:
            self._note(outbound, since, _outcome(error))
            raise

    def _note(self, outbound: Outbound, since: float, outcome: str) -> None:
        outbound.attempts.append(Attempt(self._name, since, self._now() - since, outcome, self._address))


def serialize_head(outbound: Outbound, line_end: bytes) -> bytes:
    """The head of a request, the empty line included: one join, framing from its `body` and `length`.

    `line_end`: what follows the target, up to the authority. Raises LocalProtocolError where a header or the target
    holds a line break or the target a space: never sent.
    """
    headers = outbound.headers
    framing = outbound.framing()
    if framing is not None:
        headers = [*headers, framing]
    method = _METHODS.get(outbound.method) or outbound.method.encode("ascii") + b" "
    first = method + outbound.target + line_end
    head = b"\r\n".join([first, *map(b": ".join, headers), b"\r\n"])
    lines = len(headers) + 3
    if head.count(b"\n") != lines or head.count(b"\r") != lines or first.count(b" ") != 3:
        raise LocalProtocolError("a request head with a line break inside a line")
    return head


def _may_go_again(error: BaseException, outbound: Outbound, connection: Connection) -> bool:
    """Had the peer closed a kept connection before it said anything, and is it safe to ask again?"""
    return (
        isinstance(error, ConnectionClosed)
        and connection.served > 0
        and not connection.heard
        and outbound.body is None
        and (outbound.method in _IDEMPOTENT or not error.request_sent)
    )


def _outcome(error: BaseException) -> str:
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "client")
