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
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Protocol

from talaria.adapters.balanced_upstream import Lease
from talaria.adapters.http1.plain_responses import PlainResponses
from talaria.adapters.talaria_services import TalariaServices
from talaria.domain.decision import joined
from talaria.domain.errors import RateLimited
from talaria.domain.events import RequestContext, RequestForwarded
from talaria.domain.flow import Flow
from talaria.domain.gateway import Gateway
from talaria.domain.headers import RequestHeaders, usable_request_id
from talaria.domain.http import ClientRequest, ClientResponse, UpstreamRequest, UpstreamResponse
from talaria.domain.memo import BoundedMemo
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.domain.tracing import new_request_id, trace_of
from talaria.entrypoints.public.plain_requests import PlainRequest, PlainRequests
from talaria.entrypoints.public.problems import date_header
from talaria.entrypoints.public.server.cycle import STATUS_LINES

_FLOWS: Final = 4096

_FlowKey = tuple[bytes, bytes, bytes, str]
"""The caller's token by its digest, the tag, the host and the peer."""


class Client(Protocol):
    """What a request on the fast path needs of the connection that it came on."""

    peer: str
    scheme: str

    def answer(self, response: bytes) -> None:
        """Write the whole response; the request is over."""
        ...

    def hand_over(self) -> None:
        """Leave the request to the slow path."""
        ...


class FastPath:
    """Of one listener. `wall` gives seconds since the epoch."""

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
        self._flows: BoundedMemo[_FlowKey, Flow] = BoundedMemo(_FLOWS)

    def begin(self, client: Client, data: bytes, header_limit: int) -> "FastRequest | None":
        """Send the request that these bytes are. None: nothing was done, and the slow path takes them."""
        plain = self._requests.read(data, header_limit)
        if plain is None:
            return None
        now = self.now()
        method, _, _, read, token, _ = plain
        flow = self._flow(read, token, client, now)
        if flow is None or method not in flow.methods or self.limiter.in_flight >= self.limiter.limit:
            return None
        services = flow.upstream
        if not isinstance(services, TalariaServices):
            return None
        lease = services.lease(now)
        if lease is None:
            return None
        if self._rate_limits is not None and not self._within_limits(flow, now):
            lease.give_back()
            return None
        self.limiter.in_flight += 1
        services.requested(now)
        return FastRequest(self, client, data, plain, flow, services, lease)

    def _flow(self, read: dict[bytes, bytes], token: bytes, client: Client, now: float) -> Flow | None:
        """The flow of this request, made anew where the one that is kept does not hold."""
        tag, host = read.get(b"x-api-tag"), read.get(b"host")
        if tag is None or host is None:
            return None
        key = (sha256(token).digest(), tag, host, client.peer)
        flow = self._flows.get(key)
        if flow is not None and flow.holds(now, self.wall()):
            return flow
        headers = [(b"host", host), (b"x-api-tag", tag), (b"authorization", b"Bearer " + token)]
        flow = self.gateway.flow_of(ClientRequest("", b"", headers, peer=client.peer, scheme=client.scheme))
        if flow is not None:
            self._flows.remember(key, flow)
        return flow

    def _within_limits(self, flow: Flow, now: float) -> bool:
        """Count the request. Where it is over a limit nothing is counted: the slow path refuses it."""
        try:
            if self._rate_limits is not None:
                self._rate_limits.check(flow.principal, now)
        except RateLimited:
            return False
        return True


class FastRequest:
    """One request that was sent under a flow. Implements `receiver.Receiver`, and `Upstream` for what follows the try.

    `data`: its bytes, as they came.
    """

    __slots__ = (
        "_began", "_client", "_flow", "_gateway", "_lease", "_method", "_path", "_request_id", "_services", "_size",
        "_trace_id", "data",
    )  # fmt: skip

    def __init__(
        self,
        path: FastPath,
        client: Client,
        data: bytes,
        plain: PlainRequest,
        flow: Flow,
        services: TalariaServices,
        lease: Lease,
    ) -> None:
        self.data = data
        self._path = path
        self._client = client
        self._flow = flow
        self._services = services
        self._lease = lease
        self._began = lease.since
        self._gateway = path.gateway
        self._method, start, forwarded, read, _, body = plain
        self._size = len(body)
        given = read.get(b"x-request-id")
        self._request_id = (None if given is None else usable_request_id(given)) or new_request_id()
        trace_lines = framing = b""
        self._trace_id = ""
        if b"traceparent" in read:
            trace = trace_of(RequestHeaders([], read))
            self._trace_id, trace_lines = trace.trace_id, joined(trace.headers())
        if body:
            framing = b"content-length: %d\r\n" % len(body)
        head = b"%b\r\n%b\r\n%b%bx-request-id: %b\r\n%b%b%b\r\n%b" % (
            start,
            lease.backend.client.host_line,
            b"".join(forwarded),
            flow.lines_before,
            self._request_id.encode("ascii"),
            trace_lines,
            flow.lines_after,
            framing,
            body,
        )
        lease.connection.begin_for(self, head, lease.since + flow.route.timeout)

    def receive(self, data: bytes) -> bool:
        path, flow, lease = self._path, self._flow, self._lease
        response = path.responses.read(data, flow.secrets)
        if response is None:
            return False
        status, lines, dated, body = response
        now = path.now()
        lease.backend.breaker.succeeded(lease.permit, now)
        self._client.answer(
            b"%b%bx-request-id: %b\r\n%b\r\n%b"
            % (
                STATUS_LINES[status],
                b"".join(lines),
                self._request_id.encode("ascii"),
                b"" if dated else joined([date_header()]),
                body,
            )
        )
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
                now - self._began,
                now - self._began,
                path.wall(),
                lease.backend.client.address,
            )
        )
        return True

    def leave(self) -> None:
        lease = self._lease
        lease.future = lease.connection.wait(self._flow.route.idle_timeout)
        self._client.hand_over()

    async def resume(self, request: ClientRequest, context: RequestContext) -> ClientResponse:
        """The response, by the slow path. Raises what `Gateway.handle` raises."""
        context.request_id, context.started = self._request_id, self._began
        return await self._gateway.resume(self._flow, request, context, self)

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        return await self._services.send(request, self._lease)

    async def aclose(self) -> None:
        await self._services.aclose()
