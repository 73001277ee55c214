"""The use case: one request from a client to an upstream under the partner's user id."""

import asyncio
from collections.abc import Coroutine, Mapping
from math import inf
from typing import Any

from talaria.domain.authorization import ApiKeys, NetworkAllowlist, bearer_token, check_caller_allowed
from talaria.domain.decision import Decision, EdgeHeaders, UpstreamHeaders, UpstreamTarget, joined
from talaria.domain.errors import (
    CallerNotAllowed,
    DeadlineExceeded,
    DependencyFault,
    GatewayOverloaded,
    KeysUnavailable,
    Refusal,
    TimedOut,
)
from talaria.domain.events import FlowLabels, RequestContext
from talaria.domain.exchange import TIMER_SLACK, Exchange
from talaria.domain.flow import FLOW_SECONDS, Flow
from talaria.domain.forwarded import ForwardedHeaders
from talaria.domain.headers import HeaderPolicy, RequestHeaders, timeout_of, usable_request_id
from talaria.domain.http import ClientRequest, ClientResponse, UpstreamRequest, UpstreamResponse
from talaria.domain.model import IdentityKey, Principal, Route, Sensitive, ServiceClaims, ServiceToken
from talaria.domain.ports import Clock, ServiceTokens, TokenVerifier, Upstream
from talaria.domain.rate_limits import CallerRateLimits
from talaria.domain.routing import METHODS, check_method, find_route
from talaria.domain.tracing import NO_TRACE, Tracing, new_request_id, trace_of

_KEYS_RETRY_AFTER = 1.0
_REMOVED_UNLESS_SET = (b"x-api-key", b"traceparent", b"tracestate")


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
        self.header_policy = header_policy
        self._forwarded = forwarded
        self._verifier = verifier
        self._exchange = exchange
        self._tokens = tokens
        self._now = clock.now
        self._api_keys = api_keys or ApiKeys({})
        self._networks = networks or NetworkAllowlist({})
        self.rate_limits = rate_limits or None
        self.tracing = tracing
        self._lines = UpstreamHeaders(routes, targets, forwarded)

    async def decide(self, request: ClientRequest, context: RequestContext) -> Decision:
        """The identity under which a request goes on, and where to.

        Writes to `context` what happens on the way. Raises a Refusal.
        """
        started = self._now()
        headers = self.header_policy.filter_request(request.headers)
        context.request_id = usable_request_id(headers.only(b"x-request-id")) or new_request_id()
        if self.tracing is None:
            trace = trace_of(headers)
        else:
            trace = context.trace = self.tracing.trace_of(headers, request.scheme)
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
                principal = await self._verified(bearer_token(headers.all(b"authorization")), deadline)
            else:
                principal = self._api_keys.authenticate(headers.all(b"x-api-key"))
            context.caller, context.person = principal.caller, principal.pseudonym
            check_caller_allowed(route, principal)
            self._check_network(principal, headers, request.peer)
            if self.rate_limits is not None:
                self.rate_limits.check(principal, started)
            phone_id = principal.phone_id
            identity = None if phone_id is None else (route.partner.id, principal.caller, phone_id)
            max_age = route.pair_max_age(request.method)
            decision = Decision(request, headers, trace, route, deadline, flight_deadline, principal, identity, max_age)
            if identity is not None:
                context.phase = "exchange"
                decision.user_id = self._exchange.cached(identity, context, max_age)
                if decision.user_id is None:
                    terms = (deadline, flight_deadline, max_age)
                    decision.user_id = await self._exchange.user_of(identity, context, *terms)
            return decision
        except Refusal as refusal:
            context.caller = context.caller or refusal.caller
            late = isinstance(refusal, TimedOut | KeysUnavailable)
            if late and _is_clients_deadline(deadline, flight_deadline, self._now()):
                raise DeadlineExceeded(f"x-request-timeout-ms, {context.phase}") from None
            raise

    async def handle(self, request: ClientRequest, context: RequestContext) -> ClientResponse:
        """The upstream's response, its headers fit for the client. Writes to `context` what happens on the way.

        Raises a Refusal, or what reading `request.body` raises.
        """
        return await self._forward(await self.decide(request, context), context)

    def flow_of(self, request: ClientRequest) -> Flow | None:
        """The flow of every request with this one's peer, `host`, `x-api-tag` and `authorization`, if there is one now.

        Records nothing and refuses nothing: `handle` does.
        """
        try:
            headers = self.header_policy.filter_request(request.headers)
            route = find_route(self._routes, headers.all(b"x-api-tag"))
            if not route.identity_required:
                return None
            verified = self._verifier.recall(bearer_token(headers.all(b"authorization")))
            if verified is None:
                return None
            check_caller_allowed(route, verified.principal)
            proxied = self._forwarded.trusts(request.peer)
            if not proxied:
                self._check_network(verified.principal, headers, request.peer)
        except Refusal:
            return None
        now, principal = self._now(), verified.principal
        if principal.phone_id is None:
            return None
        identity = (route.partner.id, principal.caller, principal.phone_id)
        pair = self._exchange.identities.get(identity)
        if pair is None or pair.user_id is None or now >= pair.fresh_until:
            return None
        decision = Decision(request, headers, NO_TRACE, route, inf, inf, principal, identity, inf)
        decision.user_id = pair.user_id
        token, target = self._token_for(decision), self._targets[route.upstream]
        lines = self._lines.of(decision, token.token, route.timeout, RequestContext())
        start = lines.index((b"x-api-tag", route.tag.encode())) if proxied else 0
        place = lines.index((b"x-request-id", b""))
        return Flow(
            route=route,
            principal=principal,
            identity=identity,
            user_id=pair.user_id,
            methods=_methods_of(route),
            proxied=proxied,
            labels=FlowLabels(route.tag, route.partner.id, route.upstream, principal.caller, principal.pseudonym),
            upstream=target.upstream,
            lines_before=joined(lines[start:place]),
            lines_after=joined(lines[place + 1 :]),
            token=token.token,
            secrets=(token.token, target.api_key) if target.api_key else (token.token,),
            fresh_until=min(pair.fresh_until, now + FLOW_SECONDS),
            since=max(verified.since, token.since),
            until=min(verified.until, token.until),
            expires=min(principal.expires, token.expires),
            keys=verified.keys,
            generation=verified.generation,
            revocation=self._exchange.identities.revocations.of(identity),
        )

    def forwarding(self, flow: Flow, headers: RequestHeaders, peer: str, scheme: str) -> bytes | None:
        """For a request under a `proxied` flow: the header lines about its client; None where that one may not call."""
        try:
            self._check_network(flow.principal, headers, peer)
        except CallerNotAllowed:
            return None
        return joined(self._forwarded.continued(headers, peer, scheme))

    async def resume(
        self, flow: Flow, request: ClientRequest, context: RequestContext, first: Upstream
    ) -> ClientResponse:
        """`handle` for a request that was sent already, under a flow that held: `first` gives the response to it.

        What may follow follows as ever: another try, a fresh identity.
        """
        headers = self.header_policy.filter_request(request.headers)
        trace, route, principal = context.trace or trace_of(headers), flow.route, flow.principal
        context.trace_id, context.tag, context.partner = trace.trace_id, route.tag, route.partner.id
        context.caller, context.person = principal.caller, principal.pseudonym
        if request.body is not None:
            request.body.begin(route.idle_timeout, route.upload_timeout)
        self._exchange.count_hit(flow.identity, context)
        deadline = context.started + route.timeout
        decision = Decision(
            request, headers, trace, route, deadline, deadline, principal, flow.identity, inf, flow.user_id
        )
        return await self._forward(decision, context, (first, flow.token))

    async def _forward(
        self, decision: Decision, context: RequestContext, sent: tuple[Upstream, bytes] | None = None
    ) -> ClientResponse:
        """The upstream's response under this decision. `sent`: what the request was sent by already, and its token."""
        request = decision.request
        try:
            upstream, upstream_request, token = self._prepare(decision, context, sent)
            before = self._now()
            try:
                if request.body is not None and upstream_request.client_deadline:
                    response = await _within(decision.deadline - before, upstream.send(upstream_request))
                else:
                    response = await upstream.send(upstream_request)
            finally:
                context.upstream_seconds = self._now() - (before if sent is None else context.started)
            if response.user_unknown:
                response, token = await self._retry_with_fresh_identity(decision, (response, token), context)
        except TimedOut:
            if _is_clients_deadline(decision.deadline, decision.flight_deadline, self._now()):
                raise DeadlineExceeded(f"x-request-timeout-ms, {context.phase}") from None
            raise
        route = decision.route
        api_key = self._targets[route.upstream].api_key
        filtered = self.header_policy.filter_response(response.headers, token, api_key)
        context.phase = "body"
        return ClientResponse(response.status, filtered, response.body, response.complete_body, route.idle_timeout)

    def edge_headers(self, decision: Decision, context: RequestContext) -> EdgeHeaders:
        """For an edge proxy that forwards the request itself."""
        token = self._token_for(decision)
        expires = min(decision.principal.expires, token.expires)
        headers = self._lines.with_own([], decision, token.token, context)
        names = self.header_policy.dropped_names(decision.request.headers)
        names += [name for name in _REMOVED_UNLESS_SET if name in decision.headers.consumed]
        if decision.route.partner.user_id_header:
            names.append(decision.route.partner.user_id_header)
        kept = {name for name, _ in [*headers, *(decision.trace.headers() if decision.trace.given else ())]}
        return EdgeHeaders(headers, [name for name in dict.fromkeys(names) if name not in kept], expires)

    def fresh_for(self, identity: IdentityKey | None, max_age: float) -> float:
        """Seconds for which this pair serves, `max_age` seconds old at most; infinite where none is needed."""
        return inf if identity is None else self._exchange.fresh_for(identity, max_age)

    def _check_network(self, principal: Principal, headers: RequestHeaders, peer: str) -> None:
        """Raises CallerNotAllowed where the caller is bound to other networks."""
        if principal.caller in self._networks.bound:
            self._networks.check(principal.caller, self._forwarded.client_address(headers, peer))

    async def _verified(self, token: bytes, deadline: float) -> Principal:
        """The token's principal, before the deadline: its keys may have to be fetched."""
        if (recalled := self._verifier.recall(token)) is not None:
            return recalled.principal
        try:
            async with asyncio.timeout(max(0.0, deadline - self._now())):
                return await self._verifier.verify(token)
        except TimeoutError:
            raise KeysUnavailable("the request's time is up", retry_after=_KEYS_RETRY_AFTER) from None

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
        if (body := decision.request.body) is not None and not body.repeatable:
            return first
        context.phase = "exchange"
        try:
            terms = (decision.deadline, decision.flight_deadline, decision.max_age)
            decision.user_id = fresh = await self._exchange.user_of(identity, context, *terms)
        except (DependencyFault, GatewayOverloaded):
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

    def _prepare(
        self, decision: Decision, context: RequestContext, sent: tuple[Upstream, bytes] | None = None
    ) -> tuple[Upstream, UpstreamRequest, bytes]:
        """The upstream, the request to it, and the service token in it. Raises TimedOut where no time is left."""
        context.phase = "upstream"
        route, request = decision.route, decision.request
        upstream, token = sent or (self._targets[route.upstream].upstream, self._token_for(decision).token)
        left = self._left(decision)
        if left <= 0 and sent is None:
            raise TimedOut("upstream", "the request's time is up")
        upstream_request = UpstreamRequest(
            request.method,
            request.target,
            self._lines.of(decision, token, left, context),
            request.body,
            request.length,
            left,
            route.idle_timeout,
            context.attempts,
            decision.deadline < decision.flight_deadline,
        )
        return upstream, upstream_request, token

    def _token_for(self, decision: Decision) -> ServiceToken:
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


async def _within(seconds: float, sending: Coroutine[Any, Any, UpstreamResponse]) -> UpstreamResponse:
    """For an upload with the client's own deadline, which no timeout of the upstream's covers."""
    try:
        async with asyncio.timeout(seconds):
            return await sending
    except TimeoutError:
        raise DeadlineExceeded("x-request-timeout-ms, upstream") from None


def _is_clients_deadline(deadline: float, flight_deadline: float, now: float) -> bool:
    """Is the client's own deadline over, which comes before the route's?"""
    return deadline < flight_deadline and now >= deadline - TIMER_SLACK


def _methods_of(route: Route) -> frozenset[str]:
    """The methods that a flow of this route is for: those before which a pair's age is looked at have none."""
    return frozenset(m for m in METHODS if route.takes(m) and route.pair_max_age(m) == inf)
