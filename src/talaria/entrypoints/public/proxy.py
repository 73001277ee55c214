"""Everything that is passed on: takes a request in, runs the gateway, streams the answer back."""

import asyncio
import logging
from dataclasses import dataclass
from typing import cast

from talaria.domain.errors import ClientGone, Draining, InternalError, Refusal
from talaria.domain.events import RequestContext, RequestFinished
from talaria.domain.gateway import Gateway
from talaria.domain.headers import usable_request_id
from talaria.domain.http import ClientRequest, Headers, UpstreamResponse
from talaria.domain.model import Origin
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.domain.tracing import new_request_id
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.dates import date_header
from talaria.entrypoints.public.validation import Arrival, RequestBody, take_in

logger = logging.getLogger("talaria.proxy")

_NO_BODY = frozenset({204, 304})


@dataclass(slots=True)
class _Ending:
    """How a request ended, as far as is known."""

    status: int = 0
    reason: str = ""
    origin: Origin | str = ""
    cause: str = ""
    bytes_out: int = 0


class Proxy:
    """Passes requests on. One event for each request, whatever became of it."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, clock: Clock, load: ConcurrencyLimiter, *, body_limit: int
    ) -> None:
        self.pass_on_by(gateway, body_limit)
        self._load = load
        self._record = recorder.record
        self._now = clock.now

    def pass_on_by(self, gateway: Gateway, body_limit: int) -> None:
        """Requests that come from now on go this way; the others end as they began."""
        self._handle = gateway.handle
        self._body_limit = body_limit

    async def __call__(self, arrival: Arrival) -> None:
        """Answer one request. Never raises."""
        started = self._now()
        context, ending = RequestContext(started=started), _Ending()
        client_request: ClientRequest | None = None
        try:
            client_request = take_in(arrival, context, self._body_limit)
            self._load.acquire()
            try:
                answer = await self._handle(client_request, context)
                if answer.complete_body is not None and not arrival.congested:
                    ending.status, ending.bytes_out = answer.status, len(answer.complete_body)
                    arrival.respond(answer.status, self._completed(answer.headers, context), answer.complete_body)
                else:
                    await self._stream(answer, arrival, context, ending)
            finally:
                self._load.release()
        except Refusal as refusal:
            self._refuse(refusal, arrival, context, ending)
        except ClientGone as gone:
            self._gone(arrival, ending, str(gone))
        except asyncio.CancelledError:
            self._cancelled(arrival, context, ending)
        except Exception as error:
            context.request_id = context.request_id or request_id_of(arrival.headers)
            logger.exception("a request failed by a fault of ours", extra={"request_id": context.request_id})
            self._refuse(InternalError(type(error).__name__), arrival, context, ending)
        finally:
            arrival.on_gone = None
            self._end(arrival.method, client_request, started, context, ending)

    def _completed(self, headers: Headers, context: RequestContext) -> Headers:
        headers.append((b"x-request-id", context.request_id.encode("ascii")))
        for name, _ in headers:
            if name == b"date":
                break
        else:
            headers.append(date_header())
        return headers

    async def _stream(
        self, answer: UpstreamResponse, arrival: Arrival, context: RequestContext, ending: _Ending
    ) -> None:
        arrival.idle_timeout = context.idle_timeout
        try:
            if arrival.congested:
                await arrival.drained()
            ending.status = answer.status
            arrival.begin(answer.status, self._completed(answer.headers, context))
            if arrival.method != "HEAD" and answer.status not in _NO_BODY:
                async for chunk in answer.body:
                    ending.bytes_out += len(chunk)
                    await arrival.write(chunk)
            arrival.finish()
        finally:
            await answer.body.aclose()

    def _refuse(self, refusal: Refusal, arrival: Arrival, context: RequestContext, ending: _Ending) -> None:
        """Say no in problem+json; where the answer has begun already, all that is left is to cut it."""
        ending.reason, ending.origin, ending.cause = refusal.reason, refusal.origin, refusal.cause
        context.request_id = context.request_id or request_id_of(arrival.headers)
        if arrival.disconnected and not arrival.response_started:
            self._gone(arrival, ending, "")
        elif arrival.response_started:
            arrival.abort()
        else:
            ending.status, headers, body = problems.render(refusal, context.request_id)
            headers.append(date_header())
            ending.bytes_out = len(body)
            arrival.respond(ending.status, headers, body)

    def _gone(self, arrival: Arrival, ending: _Ending, cause: str) -> None:
        ending.status, ending.reason, ending.origin, ending.cause = 499, "client-gone", "client", cause
        arrival.abort()

    def _cancelled(self, arrival: Arrival, context: RequestContext, ending: _Ending) -> None:
        """The task was cancelled because its client left, or because the time to drain is over."""
        if arrival.disconnected:
            self._gone(arrival, ending, "")
        else:
            self._refuse(Draining("cut off at the end of the drain"), arrival, context, ending)

    def _end(
        self,
        method: str,
        client_request: ClientRequest | None,
        started: float,
        context: RequestContext,
        ending: _Ending,
    ) -> None:
        if not ending.reason:  # passed on, whatever it says
            ending.origin = "upstream"
        body = client_request.body if client_request is not None else None
        event = RequestFinished(
            context,
            method,
            ending.status,
            ending.reason,
            cast(Origin, ending.origin),
            body.bytes_in if isinstance(body, RequestBody) else 0,
            ending.bytes_out,
            self._now() - started,
            ending.cause,
        )
        self._record(event)


def request_id_of(headers: Headers) -> str:
    """The client's request id, where its head was refused before it was sorted; else a new one."""
    given = [value for name, value in headers if name == b"x-request-id"]
    return (usable_request_id(given[0]) if len(given) == 1 else None) or new_request_id()
