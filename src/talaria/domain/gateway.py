"""The use case: one request from a client to an upstream under the partner's user id."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from talaria.domain.authorization import ApiKeys, NetworkAllowlist, bearer_token, check_caller_allowed
from talaria.domain.errors import DependencyFault, GatewayOverloaded, KeysUnavailable, TimedOut
from talaria.domain.events import RequestContext
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
from talaria.domain.tracing import Trace, new_request_id, trace_of

_KEYS_RETRY_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class UpstreamTarget:
    """An upstream as a request needs it. `api_key` is empty where it wants none."""

    upstream: Upstream
    audience: str
    api_key: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class _RoutedRequest:
    """What the steps have decided about one request.

    `identity` is the key of the pair that it needs, None on a route without identity. Times in monotonic seconds: the
    client waits until `deadline`, an exchange may go on until `flight_deadline`.
    """

    request: ClientRequest
    headers: RequestHeaders
    trace: Trace
    route: Route
    principal: Principal
    identity: IdentityKey | None
    deadline: float
    flight_deadline: float


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
        self._fixed = {route.tag: _fixed_headers(route, targets[route.upstream]) for route in routes.values()}

    async def handle(self, request: ClientRequest, context: RequestContext) -> ClientResponse:
        """The upstream's response, its headers fit for the client. Writes to `context` what happens on the way.

        Raises a Refusal, or what reading `request.body` raises.
        """
        started = self._now()
        headers = self._header_policy.filter_request(request.headers)
        context.request_id = usable_request_id(headers.only(b"x-request-id")) or new_request_id()
        trace = trace_of(headers)
        context.trace_id = trace.trace_id
        context.phase = "routing"
        route = find_route(self._routes, headers.all(b"x-api-tag"))
        context.tag = route.tag
        check_method(route, request.method)
        if request.body is not None:
            request.body.begin(route.idle_timeout)
        context.phase = "admission"
        deadline, flight_deadline = started + timeout_of(headers, route.timeout), started + route.timeout
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
        routed = _RoutedRequest(request, headers, trace, route, principal, identity, deadline, flight_deadline)
        user_id = None
        if identity is not None:
            context.phase = "exchange"
            user_id = self._exchange.cached(identity, context) or await self._resolve_user(identity, routed, context)
        upstream, upstream_request, token = self._prepare(routed, user_id, context)
        before = self._now()
        try:
            response = await upstream.send(upstream_request)
        finally:
            context.upstream_seconds = self._now() - before
        if user_id is not None and response.user_unknown:
            response, token = await self._retry_with_fresh_identity(routed, user_id, (response, token), context)
        api_key = self._targets[route.upstream].api_key
        filtered = self._header_policy.filter_response(response.headers, token, api_key)
        context.phase = "body"
        return ClientResponse(response.status, filtered, response.body, response.complete_body, route.idle_timeout)

    async def _verified(self, token: bytes, deadline: float) -> Principal:
        """The token's principal, before the deadline: its keys may have to be fetched."""
        try:
            async with asyncio.timeout(max(0.0, deadline - self._now())):
                return await self._verify(token)
        except TimeoutError:
            raise KeysUnavailable("the request's time is up", retry_after=_KEYS_RETRY_AFTER) from None

    async def _resolve_user(
        self, identity: IdentityKey, routed: _RoutedRequest, context: RequestContext
    ) -> PartnerUserId:
        return await self._exchange.user_of(identity, context, routed.deadline, routed.flight_deadline)

    async def _retry_with_fresh_identity(
        self,
        routed: _RoutedRequest,
        used: PartnerUserId,
        first: tuple[UpstreamResponse, bytes],
        context: RequestContext,
    ) -> tuple[UpstreamResponse, bytes]:
        """The upstream does not know this user id: exchange again and send once more, if the body can be sent again.

        Where the exchange fails by a dependency's fault or our own load, the first response goes to the client as it
        is. A second response of this kind does too, and the pair is dropped again: a pair that the upstream does not
        know is not kept.
        """
        identity = routed.identity
        if identity is None:
            return first
        self._exchange.forget(identity, used)
        if routed.request.body is not None:
            return first
        context.phase = "exchange"
        try:
            user_id = await self._resolve_user(identity, routed, context)
        except (DependencyFault, GatewayOverloaded):
            context.phase = "upstream"
            return first
        except BaseException:
            await first[0].body.aclose()
            raise
        await first[0].body.aclose()
        second = await self._send_again(routed, user_id, context)
        context.identity_refreshed = not second[0].user_unknown
        if not context.identity_refreshed:
            self._exchange.forget(identity, user_id)
        return second

    async def _send_again(
        self, routed: _RoutedRequest, user_id: PartnerUserId, context: RequestContext
    ) -> tuple[UpstreamResponse, bytes]:
        upstream, request, token = self._prepare(routed, user_id, context)
        before = self._now()
        try:
            return await upstream.send(request), token
        finally:
            context.upstream_seconds += self._now() - before

    def _prepare(
        self, routed: _RoutedRequest, user_id: PartnerUserId | None, context: RequestContext
    ) -> tuple[Upstream, UpstreamRequest, bytes]:
        """The request to the upstream, and the service token in it. Raises TimedOut where no time is left."""
        context.phase = "upstream"
        route, request = routed.route, routed.request
        target = self._targets[route.upstream]
        caller = routed.principal.caller
        subject = Sensitive(caller) if user_id is None else user_id
        token = self._tokens.token_for(ServiceClaims(subject, route.partner.id, route.tag, caller, target.audience))
        left = routed.deadline - self._now()
        if left <= 0:
            raise TimedOut("upstream", "the request's time is up")
        upstream_request = UpstreamRequest(
            request.method,
            request.target,
            self._upstream_headers(routed, user_id, token, left, context),
            request.body,
            request.length,
            left,
            route.idle_timeout,
            context.attempts,
            routed.deadline < routed.flight_deadline,
        )
        return target.upstream, upstream_request, token

    def _upstream_headers(
        self,
        routed: _RoutedRequest,
        user_id: PartnerUserId | None,
        token: bytes,
        left: float,
        context: RequestContext,
    ) -> Headers:
        """The client's end-to-end headers, then ours: each of them exactly once."""
        client, request = routed.headers, routed.request
        headers = client.forwarded + self._fixed[routed.route.tag]
        headers += self._forwarded.headers(client, request.peer, request.scheme)
        headers += routed.trace.headers()
        if user_id is not None:
            headers.append((routed.route.partner.user_id_header, user_id.reveal().encode("ascii")))
        headers += (
            (b"authorization", b"Bearer " + token),
            (b"x-request-id", context.request_id.encode("ascii")),
            (b"x-request-timeout-ms", b"%d" % max(1, int(left * 1000))),
            via(client),
        )
        if context.exchange == "stale":
            headers.append((b"x-talaria-identity", b"stale"))
        return headers


def _fixed_headers(route: Route, target: UpstreamTarget) -> Headers:
    headers = [(b"x-api-tag", route.tag.encode())]
    if target.api_key:
        headers.append((b"x-api-key", target.api_key))
    return headers
