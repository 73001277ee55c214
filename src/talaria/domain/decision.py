"""What the steps decide about one request, and the headers by which its upstream gets to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from talaria.domain.events import RequestContext, Trace
from talaria.domain.forwarded import ForwardedHeaders
from talaria.domain.headers import RequestHeaders, via
from talaria.domain.http import ClientRequest, Headers
from talaria.domain.model import IdentityKey, PartnerUserId, Principal, Route
from talaria.domain.ports import Upstream


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


class EdgeHeaders(NamedTuple):
    """What an edge does to the client's headers.

    It sets `headers`, each exactly once and the service token among them, and removes those that `removed` names.
    `expires`: the earlier end of the caller's token and the service token, in seconds since the epoch.
    """

    headers: Headers
    removed: list[bytes]
    expires: float


class UpstreamHeaders:
    """Writes the headers that an upstream gets."""

    def __init__(
        self, routes: Mapping[str, Route], targets: Mapping[str, UpstreamTarget], forwarded: ForwardedHeaders
    ) -> None:
        self._forwarded = forwarded
        self._fixed = {route.tag: _fixed_headers(route, targets[route.upstream]) for route in routes.values()}

    def of(self, decision: Decision, token: bytes, left: float, context: RequestContext) -> Headers:
        """The client's end-to-end headers, then ours: each of them exactly once."""
        client = decision.headers
        headers = self.with_own(client.forwarded, decision, token, context)
        headers += decision.trace.headers()
        headers.append((b"x-request-timeout-ms", b"%d" % max(1, int(left * 1000))))
        headers.append(via(client))
        return headers

    def with_own(self, headers: Headers, decision: Decision, token: bytes, context: RequestContext) -> Headers:
        """These headers, and behind them those that carry the identity under which it goes on."""
        request, route, user_id = decision.request, decision.route, decision.user_id
        headers = headers + self._forwarded.headers(decision.headers, request.peer, request.scheme)
        headers += self._fixed[route.tag]
        if user_id is not None:
            headers.append((route.partner.user_id_header, user_id.reveal().encode("ascii")))
        headers.append((b"authorization", b"Bearer " + token))
        headers.append((b"x-request-id", context.request_id.encode("ascii")))
        if context.exchange == "stale":
            headers.append((b"x-talaria-identity", b"stale"))
        return headers


def joined(headers: Headers) -> bytes:
    """The lines as they stand in a head."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


def _fixed_headers(route: Route, target: UpstreamTarget) -> Headers:
    headers = [(b"x-api-tag", route.tag.encode())]
    if target.api_key:
        headers.append((b"x-api-key", target.api_key))
    return headers
