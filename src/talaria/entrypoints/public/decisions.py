"""The decision API: an edge proxy asks whether a request may go on, and under which identity,
and forwards it itself.

Rules:

1. What is asked is said in questions.py. The steps are those of a request (`Gateway.decide`). No upstream is asked.
2. The listener answers trusted edges alone.
3. A yes is 200. Nothing else here is a 2xx, whatever is asked: an edge takes that for a yes.
4. A decision may be kept for no longer than half of what is left of the client's token and of the service token, and
   never beyond the pair's freshness. A refusal is never kept.
5. A plain question under a flow that holds is answered at once, and as the steps would answer it. Every doubt leaves
   it to them, before anything is done.
"""

import logging
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import Final
from urllib.parse import parse_qs

from talaria.domain.decision import Decision, joined
from talaria.domain.errors import DecisionFailed, Refusal
from talaria.domain.events import RequestContext, RequestForwarded
from talaria.domain.forwarded import Network, contains
from talaria.domain.gateway import Gateway
from talaria.domain.headers import RequestHeaders, usable_request_id
from talaria.domain.http import Headers
from talaria.domain.model import IdentityKey
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.domain.tracing import is_recorded, new_request_id, trace_of
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.flows import Flows
from talaria.entrypoints.public.plain_requests import PlainRequests
from talaria.entrypoints.public.questions import OF_THE_EDGE, asked_by, asked_for
from talaria.entrypoints.public.served_request import ServedRequest
from talaria.entrypoints.public.server.cycle import STATUS_LINES, RequestResponseCycle
from talaria.entrypoints.public.server.fast_connection import FastConnection

logger = logging.getLogger("talaria.decisions")

_REFUSALS: Final = b"/refusals/"
_NO_STORE: Final = (b"cache-control", b"no-store")
_VARY: Final = (b"vary", b"authorization, x-api-key, x-api-tag, x-forwarded-method")
_LOG_SECONDS: Final = 60.0


class TrustedEdges:
    """The networks of the edges that may ask. Others are refused, and told of once a minute."""

    def __init__(self, networks: Sequence[Network], clock: Clock) -> None:
        self.networks = networks
        self._now = clock.now
        self._refused = 0
        self._next_line = -inf

    def admit(self, peer: str) -> bool:
        """May this TCP peer ask?"""
        if contains(self.networks, peer):
            return True
        self._refused += 1
        if self._now() >= self._next_line:
            fields = {"peer": peer, "refused": self._refused}
            logger.warning("a peer that is in none of server.trusted_edges asked for a decision", extra=fields)
            self._refused, self._next_line = 0, self._now() + _LOG_SECONDS
        return False


class Decisions:
    """Answers edge proxies. Implements `fast_connection.Sender` too. One event for each decision.

    `wall` gives seconds since the epoch.
    """

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        clock: Clock,
        limiter: ConcurrencyLimiter,
        *,
        max_age: float,
        fast_path: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._limiter = limiter
        self._wall = wall
        self.decide_by(gateway, max_age, fast_path=fast_path)

    def decide_by(self, gateway: Gateway, max_age: float, *, fast_path: bool) -> None:
        """Questions that come from now on are decided so. `max_age`: how long an edge may keep a yes, in seconds."""
        self.enabled = fast_path
        self._gateway = gateway
        self._max_age = max_age
        self._flows = Flows(gateway.flow_of, self._wall)
        self._questions = PlainRequests(gateway.header_policy, 0, OF_THE_EDGE)

    async def __call__(self, cycle: RequestResponseCycle) -> None:
        """Answer one question. Never raises."""
        reason, request_id = _named_refusal(cycle) if cycle.target.startswith(_REFUSALS) else (None, "")
        if reason in problems.ROWS and reason != DecisionFailed.reason and cycle.refusal is None:
            _respond_refusal(cycle, reason, request_id)
            return
        with ServedRequest(cycle, self._recorder, self._clock, edge=True) as served:
            if reason is not None:
                served.context.request_id = request_id
                raise DecisionFailed("the edge names no reason")
            request = asked_for(cycle)
            served.method = request.method
            self._limiter.acquire()
            try:
                decision = await self._gateway.decide(request, served.context)
                headers = self._yes(decision, served.context)
            finally:
                self._limiter.release()
            served.status = 200
            cycle.respond(200, [*headers, problems.date_header()], b"")

    def _yes(self, decision: Decision, context: RequestContext) -> Headers:
        headers, removed, expires = self._gateway.edge_headers(decision, context)
        if removed:
            names = b", ".join(removed)
            headers += ((b"x-talaria-remove", names), (b"x-envoy-auth-headers-to-remove", names))
        return headers + self._kept_for(expires, decision.identity, decision.max_age)

    def _kept_for(self, expires: float, identity: IdentityKey | None, pair_max_age: float) -> Headers:
        """Rule 4. `expires`: when the first of the two tokens ends."""
        if not self._max_age:
            return [_NO_STORE]
        seconds = min(self._max_age, (expires - self._wall()) / 2, self._gateway.fresh_for(identity, pair_max_age))
        if seconds < 1:
            return [_NO_STORE]
        kept = b"%d" % seconds
        return [(b"cache-control", b"max-age=" + kept), (b"x-accel-expires", kept), _VARY]

    def begin(self, client: FastConnection, data: bytes, header_limit: int) -> bool:
        plain = self._questions.read(data, header_limit)
        if plain is None or b"" in plain[2]:  # a name that the edge is to remove
            return False
        started, gateway = self._clock.now(), self._gateway
        method, start, _, read, authorization, _ = plain
        consumed = {name: value for name, value in read.items() if name not in OF_THE_EDGE}
        said = {name: [read[name]] for name in OF_THE_EDGE & read.keys()}
        try:
            asked = asked_by(method, start.split(b" ")[1], said, client.peer)
            consumed |= asked.headers
            head = RequestHeaders([], consumed)
            flow = self._flows.find(authorization, consumed, asked.peer, asked.scheme, started)
            if flow is None or asked.method not in flow.methods or self._limiter.in_flight >= self._limiter.limit:
                return False
            trace = trace_of(head) if gateway.tracing is None else gateway.tracing.trace_of(head, asked.scheme)
            forwarding = gateway.forwarding(flow, head, asked.peer, asked.scheme) if flow.proxied else b""
            if forwarding is None or (b"traceparent" in read and not trace.given):
                return False
            if gateway.rate_limits is not None:
                gateway.rate_limits.check(flow.principal, started)
        except Refusal:  # nothing was counted: the steps refuse it
            return False
        request_id = usable_request_id(read.get(b"x-request-id")) or new_request_id()
        headers = [*self._kept_for(flow.expires, flow.identity, inf), problems.date_header()]
        client.answer(
            b"%b%b%bx-request-id: %b\r\n%bcontent-length: 0\r\n\r\n"
            % (STATUS_LINES[200], forwarding, flow.lines_before, request_id.encode("ascii"), joined(headers))
        )
        recorded = trace if is_recorded(trace, gateway.tracing) else None
        usual = 200, 0, 0, self._clock.now() - started, 0.0, self._wall(), ""
        self._recorder.record_soon(
            RequestForwarded(flow.labels, request_id, trace.trace_id, asked.method, *usual, recorded, edge=True)
        )
        return True


def _named_refusal(cycle: RequestResponseCycle) -> tuple[str, str]:
    """The reason that the path names, and the request id of the query, or a new one."""
    path, _, query = cycle.target.decode("latin-1").partition("?")
    given = parse_qs(query).get("request_id", [""])[0].encode("latin-1", "replace")
    return path.removeprefix(_REFUSALS.decode()), usable_request_id(given) or new_request_id()


def _respond_refusal(cycle: RequestResponseCycle, reason: str, request_id: str) -> None:
    """For an edge that could not pass a refusal on as it was: it has had its event."""
    headers = [(problems.REASON_HEADER, reason.encode("ascii"))]
    status, headers, body = problems.render_reason(reason, request_id, headers=headers)
    cycle.respond(status, [*headers, problems.date_header()], body)
