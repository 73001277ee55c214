"""One upstream behind one or several urls, each with a circuit breaker.

A request goes to the backend with the fewest requests in flight among those with a closed breaker; equals take turns.
A response that breaks in its body can't be asked for again, but the breaker of its backend hears of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, Self

from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.errors import (
    BodyLengthMismatch,
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    Http1Error,
    PoolExhausted,
    ReadTimeout,
    RemoteProtocolError,
    WriteTimeout,
)
from talaria.adapters.http1.pool import PoolState
from talaria.adapters.http1.upstream import SentRequest
from talaria.domain.errors import (
    BadAnswer,
    BadRequest,
    CircuitOpen,
    DependencyFault,
    GatewayOverloaded,
    Refusal,
    TimedOut,
    Unreachable,
)
from talaria.domain.events import RetryRefused
from talaria.domain.http import Body, UpstreamRequest, UpstreamResponse
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import CircuitBreaker, Permit

_RETRY_AFTER: Final = 1.0

_REFUSALS: Final[tuple[tuple[type[Http1Error], Callable[[str], Refusal]], ...]] = (
    (ConnectError, partial(Unreachable, "upstream")),
    (ConnectTimeout, partial(TimedOut, "upstream")),
    (ConnectionClosed, partial(Unreachable, "upstream")),
    (RemoteProtocolError, partial(BadAnswer, "upstream")),
    (ReadTimeout, partial(TimedOut, "upstream")),
    (WriteTimeout, partial(TimedOut, "upstream")),
    (BodyLengthMismatch, BadRequest),
    (PoolExhausted, partial(GatewayOverloaded, retry_after=_RETRY_AFTER)),
)
"""What an error of the client is for the domain. An error that is not here is a fault of ours and stays as it is."""


class UpstreamClient(Protocol):
    """A client of one url: `http1.upstream.Http1Upstream`."""

    @property
    def in_flight(self) -> int:
        """Requests that are under way or wait for a connection."""

    def pool_state(self) -> PoolState:
        """What becomes of its connections."""
        ...

    @property
    def address(self) -> str:
        """What its attempts call the url."""

    @property
    def host_line(self) -> bytes:
        """The line that names the url's authority."""

    def take(self, now: float, /) -> Connection | None:
        """An idle connection, if there is one now (monotonic seconds): to send on it, or to give it back."""

    def give_back(self, connection: Connection, /) -> None:
        """It was not used."""

    async def send(
        self, request: UpstreamRequest, timeout: float, /, *, sent: SentRequest | None = None
    ) -> UpstreamResponse:
        """The response within `timeout` seconds, or that of a request that was sent before.

        Raises Http1Errors, or what the request's body raises.
        """

    async def follow_names(self) -> None:
        """Renew the connections to addresses that the url's name has no longer."""

    async def aclose(self) -> None:
        """Close every connection."""


@dataclass(frozen=True, slots=True, eq=False)
class Backend:
    """A url with what is known of its health."""

    client: UpstreamClient
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)


@dataclass(slots=True, eq=False)
class Lease:
    """A connection that was taken for one request, its backend, and the permit of that backend's breaker.

    It is a `SentRequest` once its `future` is set.
    """

    backend: Backend
    permit: Permit
    connection: Connection
    since: float
    future: "asyncio.Future[UpstreamResponse]" = field(init=False)

    def give_back(self) -> None:
        """Nothing was sent."""
        self.backend.client.give_back(self.connection)


class BalancedUpstream:
    """Several backends as one. `name` is what metrics call this upstream."""

    def __init__(self, name: str, backends: Sequence[Backend], clock: Clock, recorder: Recorder) -> None:
        self._name = name
        self.backends = list(backends)
        self._tries = 1 if len(self.backends) > 1 else 2  # of each backend, for one request
        self._now = clock.now
        self._record = recorder.record
        self._turn = 0

    def lease(self, now: float) -> Lease | None:
        """An idle connection of the backend that is next; None where its breaker is not closed, or none is idle."""
        backend = self.backends[0] if len(self.backends) == 1 else self._in_order()[0]
        connection = backend.client.take(now) if backend.breaker.state == "closed" else None
        permit = None if connection is None else backend.breaker.admit(now)
        if connection is None or permit is None:
            self._turn -= 1  # it is the turn of the same one yet
            return None
        return Lease(backend, permit, connection, now)

    async def send(
        self, request: UpstreamRequest, timeout: float, tried: list[Backend], lease: Lease | None = None
    ) -> UpstreamResponse:
        """The response of one backend, the head within `timeout` seconds; `tried` is where it was sent before.

        `lease`: it was sent there.
        Raises CircuitOpen where no backend may be tried, the refusals of `_REFUSALS`, and what reading the request's
        body raises. A backend that failed is added to `tried`.
        """
        backend, permit = self._choose(tried) if lease is None else (lease.backend, lease.permit)
        before = len(request.attempts)
        try:
            response = await backend.client.send(request, timeout, sent=lease)
        except Http1Error as error:
            tried.append(backend)
            fault = _translated(error)
            in_a_hurry = isinstance(fault, TimedOut) and request.client_deadline
            failed = isinstance(fault, DependencyFault) and not in_a_hurry
            if failed:
                backend.breaker.failed(permit, self._now(), str(error))
            else:
                backend.breaker.cancelled(permit, self._now())
            raise fault from None
        except BaseException:
            backend.breaker.cancelled(permit, self._now())
            raise
        else:
            if response.complete_body is None:
                response.body = self._monitored(request, response, backend.breaker, permit)
            else:
                backend.breaker.succeeded(permit, self._now())
            return response
        finally:
            for attempt in request.attempts[before:]:
                self._record(attempt)

    def may_try(self, tried: list[Backend], *, another: bool) -> bool:
        """Is there a backend that may be tried after those? `another`: one that is not among them."""
        now = self._now()
        tries = 1 if another else self._tries
        return any(tried.count(backend) < tries and backend.breaker.refused_for(now) == 0 for backend in self.backends)

    def refused_retry(self) -> None:
        """The retry budget did not allow another try."""
        self._record(RetryRefused(self._name))

    async def aclose(self) -> None:
        """Close every connection of every backend."""
        for backend in self.backends:
            await backend.client.aclose()

    def _choose(self, tried: list[Backend]) -> tuple[Backend, Permit]:
        """A backend that may be tried, and its breaker's permit. Raises CircuitOpen."""
        now = self._now()
        for backend in self.backends if len(self.backends) == 1 else self._in_order():
            if tried.count(backend) < self._tries:
                permit = backend.breaker.admit(now)
                if permit is not None:
                    return backend, permit
        soonest = min((backend.breaker for backend in self.backends), key=lambda breaker: breaker.refused_for(now))
        raise CircuitOpen("upstream", f"{self._name}: {soonest.refusal(now)}", retry_after=soonest.refused_for(now))

    def _in_order(self) -> Sequence[Backend]:
        self._turn = (self._turn + 1) % len(self.backends)
        turned = self.backends[self._turn :] + self.backends[: self._turn]
        return sorted(turned, key=lambda backend: backend.client.in_flight)

    def _monitored(
        self, request: UpstreamRequest, response: UpstreamResponse, breaker: CircuitBreaker, permit: Permit
    ) -> Body:
        if request.body is not None and response.status >= 400:
            # Many servers refuse an upload and close with the rest of it unread: the response may be cut by that.
            breaker.succeeded(permit, self._now())
            return _MonitoredBody(response.body, None, permit, self._now)
        return _MonitoredBody(response.body, breaker, permit, self._now)


def _translated(error: Http1Error) -> Exception:
    refusal_of = next((refusal_of for kind, refusal_of in _REFUSALS if isinstance(error, kind)), None)
    if refusal_of is None:
        return error
    refusal = refusal_of(str(error))
    if isinstance(refusal, DependencyFault):
        refusal.request_sent = error.request_sent
    return refusal


class _MonitoredBody:
    """A body that is still arriving. Its breaker hears how it ends: by itself or by the upstream's fault.

    A silence is not reported: the slow side may be our client. Raises Unreachable, BadAnswer or TimedOut.
    """

    __slots__ = ("_body", "_breaker", "_now", "_permit", "_since")

    def __init__(self, body: Body, breaker: CircuitBreaker | None, permit: Permit, now: Callable[[], float]) -> None:
        self._body = body
        self._breaker = breaker
        self._now = now
        self._permit = permit
        self._since = now()
        if breaker is not None:
            breaker.head_received(permit, self._since)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._body.__anext__()
        except StopAsyncIteration:
            if (breaker := self._hand_back()) is not None:
                breaker.body_completed()
            raise
        except Http1Error as error:
            breaker = None if isinstance(error, ReadTimeout) else self._hand_back()
            if breaker is not None:
                breaker.body_failed(self._permit, self._since, self._now(), str(error))
            raise _translated(error) from None

    def _hand_back(self) -> CircuitBreaker | None:
        """The breaker, once."""
        breaker, self._breaker = self._breaker, None
        return breaker

    async def aclose(self) -> None:
        self._hand_back()
        await self._body.aclose()
