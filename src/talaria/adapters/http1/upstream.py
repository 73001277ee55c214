"""One url as the domain's `Upstream`."""

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Final

from talaria.adapters.http1.connect import Place
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.pool import Limits, Pool
from talaria.adapters.http1.request import RequestHeads
from talaria.adapters.http1.request_body import Upload
from talaria.domain.errors import BadAnswer, GatewayOverloaded, TimedOut, Unreachable
from talaria.domain.events import Attempt
from talaria.domain.http import UpstreamRequest, UpstreamResponse

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_OUTCOMES: Final = (
    (TimedOut, "timeout"),
    (BadAnswer, "bad-answer"),
    (Unreachable, "broken"),
    (GatewayOverloaded, "overloaded"),
    (asyncio.CancelledError, "cancelled"),
)


class WireOrigin:
    """The port `Upstream` for one url (scheme, host and port), over kept connections.

    `name` and `address` are what its attempts carry. `ssl_context`: else `client_tls` without files.
    `local_address`: the address to call from. `now`: monotonic seconds for the attempts; the loop's own, by which
    deadlines go, are those of its last turn. Every attempt is noted in `outbound.attempts`; its outcome is "ok", the
    status from 500 on, "connect" where nothing can have been received, "broken", "timeout", "bad-answer", "overloaded",
    "cancelled", or "client" where the request's own body failed.
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
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        place = Place.of(url, ssl_context, local_address)
        limits = Limits(connect_timeout, max_connections, 4 * max_connections, idle_seconds)
        self._pool = Pool(place, limits)
        self._head_of = RequestHeads(place.authority).head_of
        self._name = name
        self._address = address
        self._now = now

    @property
    def in_flight(self) -> int:
        """Requests that are under way or wait for a connection, bodies of answers included."""
        return self._pool.in_flight

    async def aclose(self) -> None:
        """Close every connection, those in use too."""
        await self._pool.aclose()

    async def send(self, outbound: UpstreamRequest, *, connect_timeout: float | None = None) -> UpstreamResponse:
        """As the port says; `connect_timeout` in place of the origin's own.

        A kept connection that turns out to be closed costs an idempotent request without a body a second attempt, on
        a new connection; nothing else is ever sent twice.
        """
        head = self._head_of(outbound)
        pool = self._pool
        started = pool.now()
        since = self._now()
        connection = pool.take()
        if connection is None:
            connection = await self._connect(outbound, started, since, connect_timeout, new=False)
        while True:
            body = outbound.body
            upload = None if body is None else Upload(body, outbound.length)
            deadline = started + outbound.timeout
            future: asyncio.Future[UpstreamResponse] | None = None
            try:
                future = connection.begin(head, outbound.method == "HEAD", deadline, outbound.idle_timeout, upload)
                answer = await future
            except BaseException as error:
                connection.abandon(future)
                outbound.client_deadline |= upload is not None and upload.starved
                self._note(outbound, since, _outcome(error))
                if not _may_go_again(error, outbound, connection):
                    raise
            else:
                self._note(outbound, since, "ok" if answer.status < 500 else str(answer.status))
                return answer
            since = self._now()
            connection = await self._connect(outbound, started, since, connect_timeout, new=True)

    async def _connect(
        self, outbound: UpstreamRequest, started: float, since: float, connect_timeout: float | None, *, new: bool
    ) -> Connection:
        try:
            return await self._pool.get(started + outbound.timeout, new=new, connect_timeout=connect_timeout)
        except BaseException as error:
            outcome = "connect" if isinstance(error, Unreachable | TimedOut) else _outcome(error)
            self._note(outbound, since, outcome)
            raise

    def _note(self, outbound: UpstreamRequest, since: float, outcome: str) -> None:
        outbound.attempts.append(Attempt(self._name, since, self._now() - since, outcome, self._address))


def _may_go_again(error: BaseException, outbound: UpstreamRequest, connection: Connection) -> bool:
    """Had the peer closed a kept connection before it said anything, and is it harmless to ask again?"""
    return (
        isinstance(error, Unreachable)
        and connection.served > 0
        and not connection.heard
        and outbound.body is None
        and outbound.method in _IDEMPOTENT
    )


def _outcome(error: BaseException) -> str:
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "client")
