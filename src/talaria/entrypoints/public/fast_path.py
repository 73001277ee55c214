"""The fast path: a plain request under a flow that holds goes straight to an idle connection, its response back.

Rules:

1. Nothing is decided here. What becomes of a line is the header policy's verdict, what holds for a request is its
   flow's; both are results of the rules that the slow path runs.
2. Every doubt leaves. A request is left before anything of it is done. One that was sent is handed over: the slow path
   reads its very bytes, and awaits the response in the loop in which it tries again, heals and gives up.
3. A request that is handed over stays with the gateway that it was sent by, as one of the slow path does in a reload.
4. A request here is one in flight, and takes of the rate limits what it takes there.
5. It is handed over too where anything but its response happens: more bytes of the client, its disconnect, a drain, a
   reload.
"""

import time
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Final

from talaria.adapters.balanced_upstream import Lease
from talaria.adapters.http1.plain_responses import PlainResponse, PlainResponses, continued
from talaria.adapters.talaria_services import TalariaServices
from talaria.domain.decision import joined
from talaria.domain.errors import RateLimited
from talaria.domain.events import RequestContext, RequestForwarded, Trace
from talaria.domain.flow import Flow
from talaria.domain.gateway import Gateway
from talaria.domain.headers import RequestHeaders, usable_request_id
from talaria.domain.http import ClientRequest, ClientResponse, UpstreamRequest, UpstreamResponse
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.domain.tracing import NewTrace, begun, is_recorded, new_request_id, trace_of
from talaria.entrypoints.public.flows import Flows
from talaria.entrypoints.public.plain_requests import PlainRequest, PlainRequests
from talaria.entrypoints.public.problems import date_header
from talaria.entrypoints.public.server.cycle import STATUS_LINES
from talaria.entrypoints.public.server.fast_connection import FastConnection

_KEPT_AT_MOST: Final = 32 * 1024
_PATIENCE: Final = 0.002
"""Bytes of a response that are kept, and seconds, until it is whole."""

_NO_TRACE: Final[NewTrace] = ("", b"", False)


class FastPath:
    """Of one listener. Implements `fast_connection.Sender`. `wall` gives seconds since the epoch."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        clock: Clock,
        limiter: ConcurrencyLimiter,
        *,
        body_limit: int,
        enabled: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.record_soon = recorder.record_soon
        self.now = clock.now
        self.wall = wall
        self.limiter = limiter
        self.pass_on_by(gateway, body_limit, enabled=enabled)

    def pass_on_by(self, gateway: Gateway, body_limit: int, *, enabled: bool) -> None:
        """Requests that come from now on go this way. Everything that was remembered is forgotten."""
        self.enabled = enabled
        self.gateway = gateway
        self._requests = PlainRequests(gateway.header_policy, body_limit)
        self.responses = PlainResponses(gateway.header_policy.forwards_response)
        self._rate_limits = gateway.rate_limits
        self.tracing = gateway.tracing
        self._flows = Flows(gateway.flow_of, self.wall)

    def begin(self, client: FastConnection, data: bytes, header_limit: int) -> bool:
        plain = self._requests.read(data, header_limit)
        if plain is None:
            return False
        now = self.now()
        method, _, _, read, authorization, _ = plain
        flow = self._flows.find(authorization, read, client.peer, client.scheme, now)
        if flow is None or method not in flow.methods or self.limiter.in_flight >= self.limiter.limit:
            return False
        services = flow.upstream
        if not isinstance(services, TalariaServices):
            return False
        own_lines = flow.lines_before
        if flow.proxied:
            forwarding = self.gateway.forwarding(flow, RequestHeaders([], read), client.peer, client.scheme)
            if forwarding is None:
                return False
            own_lines = forwarding + own_lines
        lease = services.lease(now)
        if lease is None:
            return False
        if self._rate_limits is not None:
            try:
                self._rate_limits.check(flow.principal, now)
            except RateLimited:  # nothing was counted: the slow path refuses it
                lease.give_back()
                return False
        self.limiter.in_flight += 1
        services.requested(now)
        client.begun(FastRequest(self, client, data, plain, flow, own_lines, services, lease))
        return True


class FastRequest:
    """One request that was sent under a flow. Implements `receiver.Receiver`, and `Upstream` for what follows the try.

    `data`: its bytes, as they came.
    """

    __slots__ = (
        "_client", "_flow", "_gateway", "_kept", "_lease", "_method", "_path", "_patience", "_read", "_recorded",
        "_request_id", "_response", "_sent", "_services", "_size", "_trace", "_trace_id", "_trace_lines", "data",
    )  # fmt: skip

    def __init__(
        self,
        path: FastPath,
        client: FastConnection,
        data: bytes,
        plain: PlainRequest,
        flow: Flow,
        own_lines: bytes,
        services: TalariaServices,
        lease: Lease,
    ) -> None:
        self.data = data
        self._path = path
        self._client = client
        self._flow = flow
        self._services = services
        self._lease = lease
        self._kept = b""
        self._response: PlainResponse | None = None
        self._patience: TimerHandle | None = None
        self._gateway = path.gateway
        self._method, start, forwarded, self._read, _, body = plain
        read = self._read
        self._size = len(body)
        given = read.get(b"x-request-id")
        self._request_id = (None if given is None else usable_request_id(given)) or new_request_id()
        self._trace: Trace | None = None
        if b"traceparent" in read:
            self._continue_trace(RequestHeaders([], read))
        elif path.tracing is None:
            self._trace_id, self._trace_lines, self._recorded = _NO_TRACE
        else:
            self._trace_id, self._trace_lines, self._recorded = next(path.tracing.new)
        framing = b"content-length: %d\r\n" % len(body) if b"content-length" in read else b""
        lines = (*forwarded, own_lines, b"x-request-id: ", self._request_id.encode(), b"\r\n", self._trace_lines)
        host_line = lease.backend.client.host_line
        request = b"".join((start, b"\r\n", host_line, b"\r\n", *lines, flow.lines_after, framing, b"\r\n", body))
        self._sent = path.now()
        lease.connection.begin_for(self, request, lease.since + flow.route.timeout)

    def receive(self, data: bytes) -> None:
        self._kept += data
        path, flow, lease, begun = self._path, self._flow, self._lease, self._response
        response = path.responses.read(data, flow.secrets) if begun is None else continued(begun, data)
        if response is None or 0 < response[5] > _KEPT_AT_MOST - len(self._kept):
            self.leave()
            return
        status, lines, dated, sized, body, missing = response
        if missing:
            self._response = response
            if self._patience is None:
                self._patience = lease.connection.loop.call_later(_PATIENCE, self.leave)
            return
        if self._patience is not None:
            self._patience.cancel()
        lease.connection.end(reusable=True)
        now = path.now()
        lease.backend.breaker.succeeded(lease.permit, now)
        date = b"" if dated else joined([date_header()])
        framing = b"" if sized else b"content-length: %d\r\n" % len(body)
        own_lines = b"x-request-id: ", self._request_id.encode(), b"\r\n", date, framing
        self._client.answer(b"".join((STATUS_LINES[status], *lines, *own_lines, b"\r\n", body)))
        path.limiter.in_flight -= 1
        path.record_soon(
            RequestForwarded(
                flow.labels,
                self._request_id,
                self._trace_id,
                self._method,
                status,
                self._size,
                len(body),
                now - self._lease.since,
                now - self._sent,
                path.wall(),
                lease.backend.client.address,
                self._trace or self._begun() if self._recorded else None,
            )
        )

    def leave(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        lease = self._lease
        lease.future = lease.connection.wait(self._flow.route.idle_timeout, self._kept)
        self._client.hand_over()

    async def resume(self, request: ClientRequest, context: RequestContext) -> ClientResponse:
        """The response, by the slow path. Raises what `Gateway.handle` raises."""
        context.request_id, context.started = self._request_id, self._lease.since
        if self._gateway.tracing is not None:
            context.trace = self._trace or self._begun()
        return await self._gateway.resume(self._flow, request, context, self)

    def _continue_trace(self, sent: RequestHeaders) -> None:
        tracing = self._path.tracing
        trace = self._trace = trace_of(sent) if tracing is None else tracing.trace_of(sent, self._client.scheme)
        self._trace_id = trace.trace_id
        self._trace_lines = b"traceparent: %b\r\n" % trace.parent if trace.parent else b""
        self._recorded = is_recorded(trace, tracing)

    def _begun(self) -> Trace:
        return begun(self._trace_id, self._trace_lines, self._read[b"host"], self._client.scheme)

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        return await self._services.send(request, self._lease)
