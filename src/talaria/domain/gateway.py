"""The use case: one request from a client to an upstream under the partner's user id."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from talaria.domain import headers as shaping
from talaria.domain.authorization import ApiKeys, Origins, admit, bearer_token
from talaria.domain.errors import DependencyFault, GatewayOverloaded, KeysUnavailable, UpstreamTimeout
from talaria.domain.exchange import Exchange
from talaria.domain.forwarded import Forwarding
from talaria.domain.model import (
    Answer,
    Grant,
    Headers,
    Inbound,
    Journey,
    Outbound,
    PartnerUserId,
    Person,
    Route,
)
from talaria.domain.ports import Clock, ServiceTokens, TokenVerifier, Upstream
from talaria.domain.routing import check_method, find_route
from talaria.domain.tracing import Trace, new_request_id, trace_of

_KEYS_RETRY_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Destination:
    """An upstream as a request needs it. `api_key` is empty where it wants none."""

    upstream: Upstream
    audience: str
    api_key: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class _Passage:
    """What the steps have found out about one request."""

    inbound: Inbound
    head: shaping.Head
    trace: Trace
    route: Route
    person: Person
    deadline: float
    until: float


class Gateway:
    """Runs the steps in their order. Built once; holds no state of a request."""

    def __init__(
        self,
        *,
        routes: Mapping[str, Route],
        destinations: Mapping[str, Destination],
        sieve: shaping.Sieve,
        forwarding: Forwarding,
        verifier: TokenVerifier,
        exchange: Exchange,
        tokens: ServiceTokens,
        clock: Clock,
        api_keys: ApiKeys | None = None,
        origins: Origins | None = None,
    ) -> None:
        self._routes = {tag.encode(): route for tag, route in routes.items()}
        self._destinations = destinations
        self._sieve = sieve
        self._forwarding = forwarding
        self._recall, self._verify = verifier.recall, verifier.verify
        self._exchange = exchange
        self._tokens = tokens
        self._now = clock.now
        self._api_keys = api_keys or ApiKeys({})
        self._origins = origins or Origins({})
        self._bound = self._origins.bound
        self._fixed = {route.tag: _fixed_headers(route, destinations[route.upstream]) for route in routes.values()}

    async def handle(self, inbound: Inbound, journey: Journey) -> Answer:
        """The upstream's answer, its headers fit for the client. Notes in `journey` what happens on the way.

        Raises a Refusal, or what reading `inbound.body` raises.
        """
        started = self._now()
        head = self._sieve.sift(inbound.headers)
        journey.request_id = shaping.usable_request_id(head.only(b"x-request-id")) or new_request_id()
        trace = trace_of(head)
        journey.trace_id = trace.trace_id
        journey.phase = "routing"
        route = find_route(self._routes, head.all(b"x-api-tag"))
        journey.tag = route.tag
        journey.idle_timeout = route.idle_timeout
        check_method(route, inbound.method)
        journey.phase = "admission"
        deadline, until = started + shaping.timeout_of(head, route.timeout), started + route.timeout
        if route.personless:
            person = self._api_keys.caller_of(head.all(b"x-api-key"))
        else:
            bearer = bearer_token(head.all(b"authorization"))
            person = self._recall(bearer) or await self._verified(bearer, deadline)
        journey.caller, journey.person = person.caller, person.pseudonym
        admit(route, person)
        if person.caller in self._bound:
            self._origins.check(person.caller, self._forwarding.client_address(head, inbound.peer))
        passage = _Passage(inbound, head, trace, route, person, deadline, until)
        if route.personless:
            user_id = PartnerUserId(person.caller)
        else:
            journey.phase = "exchange"
            user_id = self._exchange.recall(route.partner.id, person, journey) or await self._user_of(passage, journey)
        upstream, outbound, token = self._prepare(passage, user_id, journey)
        before = self._now()
        try:
            answer = await upstream.send(outbound)
        finally:
            journey.upstream_seconds = self._now() - before
        if shaping.says_unknown_user(answer.status, answer.headers) and not route.personless:
            answer, token = await self._heal(passage, user_id, (answer, token), journey)
        answer.headers = self._sieve.sift_answer(answer.headers, token, self._destinations[route.upstream].api_key)
        journey.phase = "body"
        return answer

    async def _verified(self, token: bytes, deadline: float) -> Person:
        """Whose token it is, before the deadline: the keys may have to be fetched."""
        try:
            async with asyncio.timeout(max(0.0, deadline - self._now())):
                return await self._verify(token)
        except TimeoutError:
            raise KeysUnavailable("the request's time is up", retry_after=_KEYS_RETRY_AFTER) from None

    async def _heal(
        self, passage: _Passage, used: PartnerUserId, first: tuple[Answer, bytes], journey: Journey
    ) -> tuple[Answer, bytes]:
        """The upstream does not know this user id: exchange again and send once more, if the body can be sent again.

        Where the exchange fails by a dependency's fault or our own load, the first answer goes to the client as it is.
        A second answer of this kind does too, and the pair is dropped again: what the upstream disowned is not kept.
        """
        partner = passage.route.partner.id
        self._exchange.forget(partner, passage.person, used)
        if passage.inbound.body is not None:
            return first
        try:
            user_id = await self._user_of(passage, journey)
        except (DependencyFault, GatewayOverloaded):
            return first
        except BaseException:
            await first[0].body.aclose()
            raise
        await first[0].body.aclose()
        second = await self._send_again(passage, user_id, journey)
        journey.healed = not shaping.says_unknown_user(second[0].status, second[0].headers)
        if not journey.healed:
            self._exchange.forget(partner, passage.person, user_id)
        return second

    async def _user_of(self, passage: _Passage, journey: Journey) -> PartnerUserId:
        partner = passage.route.partner.id
        return await self._exchange.user_of(partner, passage.person, journey, passage.deadline, passage.until)

    async def _send_again(self, passage: _Passage, user_id: PartnerUserId, journey: Journey) -> tuple[Answer, bytes]:
        upstream, outbound, token = self._prepare(passage, user_id, journey)
        before = self._now()
        try:
            return await upstream.send(outbound), token
        finally:
            journey.upstream_seconds += self._now() - before

    def _prepare(self, passage: _Passage, user_id: PartnerUserId, journey: Journey) -> tuple[Upstream, Outbound, bytes]:
        """The request to the upstream, and the service token in it. Raises UpstreamTimeout where no time is left."""
        journey.phase = "upstream"
        route, inbound = passage.route, passage.inbound
        destination = self._destinations[route.upstream]
        grant = Grant(user_id, route.partner.id, route.tag, passage.person.caller, destination.audience)
        token = self._tokens.token_for(grant)
        left = passage.deadline - self._now()
        if left <= 0:
            raise UpstreamTimeout("the request's time is up")
        outbound = Outbound(
            inbound.method,
            inbound.target,
            self._outbound_headers(passage, user_id, token, left, journey),
            inbound.body,
            inbound.length,
            left,
            route.idle_timeout,
            journey.attempts,
            passage.deadline < passage.until,
        )
        return destination.upstream, outbound, token

    def _outbound_headers(
        self, passage: _Passage, user_id: PartnerUserId, token: bytes, left: float, journey: Journey
    ) -> Headers:
        """The client's end-to-end headers, then ours: each of them exactly once."""
        head, inbound = passage.head, passage.inbound
        headers = head.kept + self._fixed[passage.route.tag]
        headers += self._forwarding.headers(head, inbound.peer, inbound.scheme)
        headers += passage.trace.headers()
        if not passage.route.personless:
            headers.append((passage.route.partner.user_id_header, user_id.reveal().encode("ascii")))
        headers += (
            (b"authorization", b"Bearer " + token),
            (b"x-request-id", journey.request_id.encode("ascii")),
            (b"x-request-timeout-ms", b"%d" % max(1, int(left * 1000))),
            shaping.via(head),
        )
        if journey.exchange == "stale":
            headers.append((b"x-talaria-identity", b"stale"))
        return headers


def _fixed_headers(route: Route, destination: Destination) -> Headers:
    headers = [(b"x-api-tag", route.tag.encode())]
    if destination.api_key:
        headers.append((b"x-api-key", destination.api_key))
    return headers
