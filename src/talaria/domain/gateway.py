"""The use case: one request from a client to an upstream under the partner's user id."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from talaria.domain.authorization import ApiKeys, NetworkAllowlist, bearer_token, check_caller_allowed
from talaria.domain.errors import DeadlineExceeded, DependencyFault, GatewayOverloaded, KeysUnavailable, TimedOut
from talaria.domain.events import RequestContext, Trace
from talaria.domain.exchange import Exchange
from talaria.domain.forwarded import ForwardedHeaders
from talaria.domain.headers import (
    HeaderPolicy,
    RequestHeaders,
    timeout_of,
    usable_request_id,
    via,
)
from talaria.domain.http import ClientRequest, ClientResponse, Headers, UpstreamRequest, UpstreamResponse
from talaria.domain.model import IdentityKey, PartnerUserId, Principal, Route, Sensitive, ServiceClaims
from talaria.domain.ports import Clock, ServiceTokens, TokenVerifier, Upstream
from talaria.domain.rate_limits import CallerRateLimits
from talaria.domain.routing import check_method, find_route
from talaria.domain.tracing import Tracing, new_request_id, trace_of

_KEYS_RETRY_AFTER = 1.0
_REMOVED_UNLESS_SET = (b"x-api-key", b"traceparent", b"tracestate")
_TIMER_SLACK = 0.005
"""Timers of an event loop may fire so many seconds early."""


@dataclass(frozen=True, slots=True)
class UpstreamTarget:
    """An upstream as a request needs it. `api_key` is empty where it wants none."""

    upstream: Upstream
    audience: str
    api_key: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class Decision:
    """What the steps have decided about one request: under which identity it goes on, and where to.

    `identity` is the key of the pair that it needs and `user_id` what the pair says; both are None on a route without
    identity. Times in monotonic seconds: the client waits until `deadline`, an exchange may go on until
    `flight_deadline`. `max_age`: how old the pair may be, in seconds.
    """

    request: ClientRequest
    headers: RequestHeaders
    trace: Trace
    route: Route
    deadline: float
    flight_deadline: float
    principal: Principal
    identity: IdentityKey | None
    max_age: float
    user_id: PartnerUserId | None = None


class Gateway:
    """Runs the steps in their order. Built once; holds no state of a request."""

    def __init__(
        self,
        *,
        routes: Mapping[str, Route],
        targets: Mapping[str, UpstreamTarget],
        header_policy: HeaderPolicy,
        forwarded: ForwardedHeaders,
        verifier: TokenVerifier,
        exchange: Exchange,
        tokens: ServiceTokens,
        clock: Clock,
        api_keys: ApiKeys | None = None,
        networks: NetworkAllowlist | None = None,
        rate_limits: CallerRateLimits | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._routes = {tag.encode(): route for tag, route in routes.items()}
        self._targets = targets
        self._header_policy = header_policy
        self._forwarded = forwarded
        self._recall, self._verify = verifier.recall, verifier.verify
        self._exchange = exchange
        self._tokens = tokens
        self._now = clock.now
        self._api_keys = api_keys or ApiKeys({})
        self._networks = networks or NetworkAllowlist({})
        self._bound = self._networks.bound
        self._rate_limits = rate_limits or None
        self._tracing = tracing
        self._fixed = {route.tag: _fixed_headers(route, targets[route.upstream]) for route in routes.values()}

    async def decide(self, request: ClientRequest, context: RequestContext) -> Decision:
        """The identity under which a request goes on, and where to.

        Writes to `context` what happens on the way. Raises a Refusal.
        """
        started = self._now()
        headers = self._header_policy.filter_request(request.headers)
        context.request_id = usable_request_id(headers.only(b"x-request-id")) or new_request_id()
        if self._tracing is None:
            trace = trace_of(headers)
        else:
            trace = context.trace = self._tracing.trace_of(headers, request.scheme)
        context.trace_id = trace.trace_id
        context.phase = "routing"
        route = find_route(self._routes, headers.all(b"x-api-tag"))
        context.tag, context.partner = route.tag, route.partner.id
        check_method(route, request.method)
        if request.body is not None:
            request.body.begin(route.idle_timeout, route.upload_timeout)
        context.phase = "admission"
        deadline, flight_deadline = started + timeout_of(headers, route.timeout), started + route.timeout
        if deadline <= started:
            raise DeadlineExceeded("no time at all")
        try:
            if route.identity_required:
                bearer = bearer_token(headers.all(b"authorization"))
                principal = self._recall(bearer) or await self._verified(bearer, deadline)
            else:
                principal = self._api_keys.authenticate(headers.all(b"x-api-key"))
            context.caller, context.person = principal.caller, principal.pseudonym
            check_caller_allowed(route, principal)
            if principal.caller in self._bound:
                self._networks.check(principal.caller, self._forwarded.client_address(headers, request.peer))
            if self._rate_limits is not None:
                self._rate_limits.check(principal, started)
            phone_id = principal.phone_id
            identity = None if phone_id is None else (route.partner.id, principal.caller, phone_id)
            max_age = route.pair_max_age(request.method)
            decision = Decision(request, headers, trace, route, deadline, flight_deadline, principal, identity, max_age)
            if identity is not None:
                context.phase = "exchange"
                user_id = self._exchange.cached(identity, context, max_age)
                decision.user_id = user_id or await self._resolve_user(decision, context)
            return decision
        except (TimedOut, KeysUnavailable):
            if _is_clients_deadline(deadline, flight_deadline, self._now()):
                raise DeadlineExceeded(f"x-request-timeout-ms, {context.phase}") from None
            raise

    async def handle(self, request: ClientRequest, context: RequestContext) -> ClientResponse:
        """The upstream's response, its headers fit for the client. Writes to `context` what happens on the way.

        Raises a Refusal, or what reading `request.body` raises.
        """
        decision = await self.decide(request, context)
        try:
            upstream, upstream_request, token = self._prepare(decision, context)
            before = self._now()
            try:
                if request.body is not None and upstream_request.client_deadline:
                    response = await _within(decision.deadline - before, upstream.send(upstream_request))
                else:
                    response = await upstream.send(upstream_request)
            finally:
                context.upstream_seconds = self._now() - before
            if decision.user_id is not None and response.user_unknown:
                response, token = await self._retry_with_fresh_identity(decision, (response, token), context)
        except TimedOut:
            if _is_clients_deadline(decision.deadline, decision.flight_deadline, self._now()):
                raise DeadlineExceeded(f"x-request-timeout-ms, {context.phase}") from None
            raise
        route = decision.route
        api_key = self._targets[route.upstream].api_key
        filtered = self._header_policy.filter_response(response.headers, token, api_key)
        context.phase = "body"
        return ClientResponse(response.status, filtered, response.body, response.complete_body, route.idle_timeout)

    def edge_headers(self, decision: Decision, context: RequestContext) -> tuple[Headers, list[bytes]]:
        """For an edge proxy that forwards the request itself: the headers that it is to set, each exactly once and the
        service token among them, and the names of those of the client that it is to remove.
        """
        headers = self._with_own([], decision, self._token_for(decision), context)
        names = self._header_policy.dropped_names(decision.request.headers)
        names += [name for name in _REMOVED_UNLESS_SET if name in decision.headers.consumed]
        if decision.user_id is None and decision.route.partner.user_id_header:
            names.append(decision.route.partner.user_id_header)
        if not names:
            return headers, names
        kept = {name for name, _ in [*headers, *(decision.trace.headers() if decision.trace.given else ())]}
        return headers, [name for name in dict.fromkeys(names) if name not in kept]

    def fresh_for(self, decision: Decision) -> float:
        """Seconds for which the pair of this decision serves its request; endless where it needs none."""
        return inf if decision.identity is None else self._exchange.fresh_for(decision.identity, decision.max_age)

    async def _verified(self, token: bytes, deadline: float) -> Principal:
        """The token's principal, before the deadline: its keys may have to be fetched."""
        try:
            async with asyncio.timeout(max(0.0, deadline - self._now())):
                return await self._verify(token)
        except TimeoutError:
            raise KeysUnavailable("the request's time is up", retry_after=_KEYS_RETRY_AFTER) from None

    async def _resolve_user(self, decision: Decision, context: RequestContext) -> PartnerUserId:
        if decision.identity is None:
            raise AssertionError("a route without identity has no user to resolve")
        terms = (decision.deadline, decision.flight_deadline, decision.max_age)
        return await self._exchange.user_of(decision.identity, context, *terms)

    async def _retry_with_fresh_identity(
        self, decision: Decision, first: tuple[UpstreamResponse, bytes], context: RequestContext
    ) -> tuple[UpstreamResponse, bytes]:
        """The upstream does not know this user id: exchange again and send once more, if the body can be sent again.

        Where the exchange fails by a dependency's fault or our own load, the first response goes to the client as it
        is. A second response of this kind does too, and the pair is dropped again: a pair that the upstream does not
        know is not kept.
        """
        identity, used = decision.identity, decision.user_id
        if identity is None or used is None:
            return first
        self._exchange.forget(identity, used)
        if decision.request.body is not None:
            return first
        context.phase = "exchange"
        try:
            decision.user_id = fresh = await self._resolve_user(decision, context)
        except (DependencyFault, GatewayOverloaded):
            context.phase = "upstream"
            return first
        except BaseException:
            await first[0].body.aclose()
            raise
        await first[0].body.aclose()
        second = await self._send_again(decision, context)
        context.identity_refreshed = not second[0].user_unknown
        if not context.identity_refreshed:
            self._exchange.forget(identity, fresh)
        return second

    async def _send_again(self, decision: Decision, context: RequestContext) -> tuple[UpstreamResponse, bytes]:
        upstream, request, token = self._prepare(decision, context)
        before = self._now()
        try:
            return await upstream.send(request), token
        finally:
            context.upstream_seconds += self._now() - before

    def _prepare(self, decision: Decision, context: RequestContext) -> tuple[Upstream, UpstreamRequest, bytes]:
        """The request to the upstream, and the service token in it. Raises TimedOut where no time is left."""
        context.phase = "upstream"
        route, request = decision.route, decision.request
        token = self._token_for(decision)
        left = self._left(decision)
        if left <= 0:
            raise TimedOut("upstream", "the request's time is up")
        upstream_request = UpstreamRequest(
            request.method,
            request.target,
            self._upstream_headers(decision, token, left, context),
            request.body,
            request.length,
            left,
            route.idle_timeout,
            context.attempts,
            decision.deadline < decision.flight_deadline,
        )
        return self._targets[route.upstream].upstream, upstream_request, token

    def _token_for(self, decision: Decision) -> bytes:
        route, caller = decision.route, decision.principal.caller
        subject = decision.user_id or Sensitive(caller)
        audience = self._targets[route.upstream].audience
        return self._tokens.token_for(ServiceClaims(subject, route.partner.id, route.tag, caller, audience))

    def _left(self, decision: Decision) -> float:
        """Seconds that the upstream has for its head. A body's upload is no part of the route's time: that begins with
        the last byte; the client's own deadline stands.
        """
        body, left = decision.request.body, decision.deadline - self._now()
        if body is None:
            return left
        upstream_left = decision.route.timeout - (body.ended_ago or 0.0)
        return min(left, upstream_left) if decision.deadline < decision.flight_deadline else upstream_left

    def _upstream_headers(self, decision: Decision, token: bytes, left: float, context: RequestContext) -> Headers:
        """The client's end-to-end headers, then ours: each of them exactly once."""
        client = decision.headers
        headers = self._with_own(client.forwarded, decision, token, context)
        if decision.trace.parent:
            headers.append((b"traceparent", decision.trace.parent))
            if decision.trace.state:
                headers.append((b"tracestate", decision.trace.state))
        headers.append((b"x-request-timeout-ms", b"%d" % max(1, int(left * 1000))))
        headers.append(via(client))
        return headers

    def _with_own(self, headers: Headers, decision: Decision, token: bytes, context: RequestContext) -> Headers:
        """These headers, and behind them those that carry the identity under which it goes on."""
        request, route, user_id = decision.request, decision.route, decision.user_id
        headers = headers + self._fixed[route.tag]
        headers += self._forwarded.headers(decision.headers, request.peer, request.scheme)
        if user_id is not None:
            headers.append((route.partner.user_id_header, user_id.reveal().encode("ascii")))
        headers.append((b"authorization", b"Bearer " + token))
        headers.append((b"x-request-id", context.request_id.encode("ascii")))
        if context.exchange == "stale":
            headers.append((b"x-talaria-identity", b"stale"))
        return headers


async def _within(seconds: float, sending: Coroutine[Any, Any, UpstreamResponse]) -> UpstreamResponse:
    """For an upload with the client's own deadline, which no timeout of the upstream's covers."""
    try:
        async with asyncio.timeout(seconds):
            return await sending
    except TimeoutError:
        raise DeadlineExceeded("x-request-timeout-ms, upstream") from None


def _is_clients_deadline(deadline: float, flight_deadline: float, now: float) -> bool:
    """Is the client's own deadline over, which comes before the route's?"""
    return deadline < flight_deadline and now >= deadline - _TIMER_SLACK


def _fixed_headers(route: Route, target: UpstreamTarget) -> Headers:
    headers = [(b"x-api-tag", route.tag.encode())]
    if target.api_key:
        headers.append((b"x-api-key", target.api_key))
    return headers
