"""Requests that are passed on: validated, run through the gateway, their responses streamed back."""

from talaria.domain.gateway import Gateway
from talaria.domain.http import BODYLESS_STATUSES, ClientResponse
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.entrypoints.public.served_request import ServedRequest
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.validation import to_client_request


class Proxy:
    """Passes requests on. One event for each request, whatever became of it."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, clock: Clock, limiter: ConcurrencyLimiter, *, body_limit: int
    ) -> None:
        self.pass_on_by(gateway, body_limit)
        self._limiter = limiter
        self._recorder = recorder
        self._clock = clock

    def pass_on_by(self, gateway: Gateway, body_limit: int) -> None:
        """Requests that come from now on go this way; the others end as they began. `body_limit` in bytes, 0: none."""
        self._handle = gateway.handle
        self._body_limit = body_limit

    async def __call__(self, cycle: RequestResponseCycle) -> None:
        """Answer one request. Never raises."""
        sent = cycle.first_try
        with ServedRequest(cycle, self._recorder, self._clock) as served:
            request, served.body = to_client_request(cycle, self._body_limit if sent is None else 0)
            if sent is None:
                self._limiter.acquire()
            try:
                if sent is None:
                    response = await self._handle(request, served.context)
                else:
                    response = await sent.resume(request, served.context)
                served.origin = "upstream"
                if response.complete_body is not None and not cycle.write_paused:
                    served.status, served.bytes_out = response.status, len(response.complete_body)
                    cycle.respond(response.status, served.complete(response.headers), response.complete_body)
                else:
                    await _stream(response, cycle, served)
            finally:
                self._limiter.release()
                if sent is not None and served.body is not None:
                    served.body.bytes_in = request.length or 0


async def _stream(response: ClientResponse, cycle: RequestResponseCycle, served: ServedRequest) -> None:
    cycle.idle_timeout = response.idle_timeout
    try:
        if cycle.write_paused:
            await cycle.drain()
        served.status = response.status
        cycle.begin(response.status, served.complete(response.headers))
        if cycle.method != "HEAD" and response.status not in BODYLESS_STATUSES:
            async for chunk in response.body:
                served.bytes_out += len(chunk)
                await cycle.write(chunk)
        cycle.finish()
    finally:
        await response.body.aclose()
