"""The decision API: an edge proxy asks whether a request may go on, and under which identity,
and forwards it itself.

Rules:

1. A question is `/decide` with `X-Forwarded-Method` and `X-Forwarded-Uri`, or `/decide/<path>?<query>` with the
   request's own method. Both at once are refused: which of two targets was decided on would be a guess.
2. The steps are those of a request (`Gateway.decide`). No upstream is asked. Of the question's own connection, method
   and query nothing counts; the method only says whether the response has a body.
3. The edge is the last hop in front of the upstream, so its client's address, protocol and host are what its
   `X-Forwarded-*` say. The listener answers trusted edges alone.
4. A yes is 200. Nothing else here is a 2xx, whatever is asked: an edge takes that for a yes.
5. A decision may be kept for no longer than half of what is left of the client's token and of the service token, and
   never beyond the pair's freshness. A refusal is never kept.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final
from urllib.parse import parse_qs

from talaria.domain.decision import Decision
from talaria.domain.errors import BadRequest, DecisionFailed
from talaria.domain.events import RequestContext
from talaria.domain.forwarded import Network, contains, last_hop
from talaria.domain.gateway import Gateway
from talaria.domain.headers import usable_request_id
from talaria.domain.http import ClientRequest, Headers
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.domain.routing import check_known_method
from talaria.domain.tracing import new_request_id
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.served_request import ServedRequest
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.validation import check_target

logger = logging.getLogger("talaria.decisions")

_QUESTION: Final = b"/decide"
_REFUSALS: Final = b"/refusals/"
_SCHEMES: Final = frozenset({b"http", b"https"})
_OF_THE_EDGE: Final = frozenset(
    b"x-forwarded-method x-forwarded-uri x-forwarded-for x-forwarded-host x-forwarded-proto".split()
)
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
    """Answers edge proxies. One event for each decision. `wall` gives seconds since the epoch."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        clock: Clock,
        limiter: ConcurrencyLimiter,
        *,
        max_age: float,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.decide_by(gateway, max_age)
        self._recorder = recorder
        self._clock = clock
        self._limiter = limiter
        self._wall = wall

    def decide_by(self, gateway: Gateway, max_age: float) -> None:
        """Questions that come from now on are decided so. `max_age`: how long an edge may keep a yes, in seconds."""
        self._gateway = gateway
        self._max_age = max_age

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
        seconds = self._seconds_kept(decision, expires) if self._max_age else 0.0
        if seconds < 1:
            return [*headers, _NO_STORE]
        kept = b"%d" % seconds
        return [*headers, (b"cache-control", b"max-age=" + kept), (b"x-accel-expires", kept), _VARY]

    def _seconds_kept(self, decision: Decision, expires: float) -> float:
        """Rule 5."""
        return min(self._max_age, (expires - self._wall()) / 2, self._gateway.fresh_for(decision))


def asked_for(cycle: RequestResponseCycle) -> ClientRequest:
    """The request that a question is about, as the domain takes it (rules 1 and 3). It has no body.

    Raises the refusal that the question's own head is refused with, BadRequest, or what a request with this method or
    target is refused with.
    """
    if cycle.refusal is not None:
        raise cycle.refusal
    said: dict[bytes, list[bytes]] = {}
    headers: Headers = []
    own_hosts: Headers = []
    for header in cycle.headers:
        name = header[0]
        if name in _OF_THE_EDGE:
            said.setdefault(name, []).append(header[1])
        elif name == b"host":
            own_hosts.append(header)
        else:
            headers.append(header)
    method, target = _method_and_target(cycle, said)
    check_known_method(method)
    check_target(target)
    hops, hosts = said.get(b"x-forwarded-for"), said.get(b"x-forwarded-host", ())
    schemes = said.get(b"x-forwarded-proto", ())
    peer, before = last_hop(hops) if hops else (cycle.peer, b"")
    if before:
        headers.append((b"x-forwarded-for", before))
    headers += [(b"host", hosts[0])] if len(hosts) == 1 else own_hosts
    scheme = schemes[0].decode("ascii") if len(schemes) == 1 and schemes[0] in _SCHEMES else "http"
    return ClientRequest(method, target, headers, peer=peer, scheme=scheme)


def _method_and_target(cycle: RequestResponseCycle, said: Mapping[bytes, list[bytes]]) -> tuple[str, bytes]:
    methods, targets = said.get(b"x-forwarded-method", ()), said.get(b"x-forwarded-uri", ())
    if cycle.target.startswith(_QUESTION + b"/"):
        if methods or targets:
            raise BadRequest("a question asked in both ways at once")
        return cycle.method, cycle.target.removeprefix(_QUESTION)
    if cycle.target.partition(b"?")[0] != _QUESTION:
        raise BadRequest("no question that an edge can ask")
    if len(methods) != 1 or len(targets) != 1:
        raise BadRequest("not exactly one x-forwarded-method and one x-forwarded-uri")
    return methods[0].decode("latin-1"), targets[0]


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
