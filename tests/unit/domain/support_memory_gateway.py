"""A gateway with everything behind it in memory, and an upstream that says what a test tells it to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Self

from talaria.domain.authorization import ApiKeys, NetworkAllowlist
from talaria.domain.decision import Decision, UpstreamTarget
from talaria.domain.errors import ExpiredToken, Refusal, TimedOut
from talaria.domain.events import RequestContext
from talaria.domain.forwarded import ForwardedHeaders
from talaria.domain.gateway import Gateway
from talaria.domain.headers import HeaderPolicy
from talaria.domain.http import ClientRequest, ClientResponse, Headers, RequestBody, UpstreamRequest, UpstreamResponse
from talaria.domain.model import Partner, Principal, Route
from talaria.domain.rate_limits import CallerRateLimits
from talaria.domain.tracing import Tracing
from talaria.testing import MemoryServiceTokens, MemoryTokenVerifier
from tests.unit.domain.support_exchange import World, person

API_KEY = b"api-key-canary"
WIND, BOLT = Partner("wind", b"x-wind-user-id"), Partner("bolt", b"x-rider")
EVERYONE = frozenset({"app", "web"})
UNKNOWN: Headers = [(b"x-talaria-unknown-user", b"1"), (b"content-length", b"0")]


class Chunks:
    """A body, of a request or a response, that knows its timeouts and whether it was closed.

    `ended_at`: when its last byte has arrived, by the loop's clock, if it has.
    """

    repeatable = False

    def __init__(self, *chunks: bytes, ended_at: float | None = None) -> None:
        self._chunks = list(chunks)
        self.closed = 0
        self.begun: list[tuple[float, float]] = []
        self.ended_at = ended_at

    @property
    def ended_ago(self) -> float | None:
        """Since when it is complete."""
        return None if self.ended_at is None else asyncio.get_running_loop().time() - self.ended_at

    def begin(self, idle_timeout: float, upload_timeout: float) -> None:
        """Note it."""
        self.begun.append((idle_timeout, upload_timeout))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._chunks or self.closed:
            raise StopAsyncIteration
        return self._chunks.pop(0)

    async def aclose(self) -> None:
        """Give it up."""
        self.closed += 1


Reply = UpstreamResponse | Refusal | Callable[[UpstreamRequest], UpstreamResponse]


def reply(status: int = 200, headers: Headers | None = None, body: bytes = b"ok") -> UpstreamResponse:
    """An answer of the upstream."""
    return UpstreamResponse(status, list(headers or [(b"content-type", b"text/plain")]), Chunks(body))


class ScriptedUpstream:
    """The port `Upstream`: gives its replies in order, the last one again and again.

    It waits while `gate` is not set; `late`: it takes all the time that it is given, and does not answer.
    """

    def __init__(self) -> None:
        self.replies: list[Reply] = [lambda _: reply()]
        self.received: list[UpstreamRequest] = []
        self.bodies: list[bytes] = []
        self.answers: list[UpstreamResponse] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.late = False

    async def send(self, outbound: UpstreamRequest) -> UpstreamResponse:
        """As the port says."""
        self.received.append(outbound)
        assert not isinstance(outbound.body, bytes), "a client's body is a stream"
        self.bodies.append(b"".join([chunk async for chunk in outbound.body]) if outbound.body else b"")
        await self.gate.wait()
        if self.late:
            await asyncio.sleep(outbound.timeout)  # of a loop in which time jumps
            raise TimedOut("upstream", "no head")
        given = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(given, Refusal):
            raise given
        answer = given if isinstance(given, UpstreamResponse) else given(outbound)
        answer.user_unknown = answer.status in (403, 404, 410) and UNKNOWN[0] in answer.headers
        self.answers.append(answer)
        return answer

    @property
    def open_bodies(self) -> int:
        """Responses that were not closed."""
        return sum(isinstance(answer.body, Chunks) and not answer.body.closed for answer in self.answers)


def request_headers(*more: tuple[bytes, bytes], token: bytes, tag: bytes) -> Headers:
    """The headers of a client's request."""
    headers = [(b"host", b"api.example"), *more]
    headers += [(b"x-api-tag", tag)] if tag else []
    headers += [(b"authorization", b"Bearer " + token)] if token else []
    return headers


def _people() -> dict[bytes, Principal | Refusal]:
    return {
        b"t-1": person(),
        b"t-2": person("p-2"),
        b"t-web": person(caller="web"),
        b"t-old": ExpiredToken(),
    }


@dataclass
class Door:
    """The gateway and all that stands behind it."""

    world: World = field(default_factory=World)
    upstream: ScriptedUpstream = field(default_factory=ScriptedUpstream)
    tokens: MemoryServiceTokens = field(default_factory=MemoryServiceTokens)
    verifier: MemoryTokenVerifier = field(default_factory=lambda: MemoryTokenVerifier(_people()))
    api_keys: ApiKeys | None = None
    networks: NetworkAllowlist | None = None
    rate_limits: CallerRateLimits | None = None
    tracing: Tracing | None = None

    def __post_init__(self) -> None:
        routes = {
            "wind": Route("wind", WIND, "services", EVERYONE),
            "bolt": Route("bolt", BOLT, "services", EVERYONE, timeout=2.0),
            "pay": Route(
                *("pay", WIND, "services", EVERYONE), recheck_methods=frozenset({"POST"}), recheck_max_age=60.0
            ),
            "jobs": Route("jobs", WIND, "services", frozenset({"jobs"}), identity_required=False),
            "free": Route("free", Partner("", b""), "services", frozenset({"jobs"}), identity_required=False),
            "bare": Route(
                "bare",
                WIND,
                "bare",
                frozenset({"app"}),
                frozenset({"GET", "POST"}),
                idle_timeout=7.0,
                upload_timeout=90.0,
            ),
        }
        self.gateway = Gateway(
            routes=routes,
            targets={
                "services": UpstreamTarget(self.upstream, "talaria-services", API_KEY),
                "bare": UpstreamTarget(self.upstream, "bare-services"),
            },
            header_policy=HeaderPolicy([WIND, BOLT]),
            forwarded=ForwardedHeaders([ip_network("10.0.0.0/8")]),
            verifier=self.verifier,
            exchange=self.world.exchange,
            tokens=self.tokens,
            clock=self.world.clock,
            api_keys=self.api_keys,
            networks=self.networks,
            rate_limits=self.rate_limits,
            tracing=self.tracing,
        )

    async def knock(
        self,
        *more: tuple[bytes, bytes],
        method: str = "GET",
        token: bytes = b"t-1",
        tag: bytes = b"wind",
        target: bytes = b"/rides?a=1",
        body: RequestBody | None = None,
        length: int | None = None,
        context: RequestContext | None = None,
        peer: str = "203.0.113.7",
    ) -> ClientResponse:
        """One request. An empty `tag` or `token`: without that header."""
        headers = request_headers(*more, token=token, tag=tag)
        client_request = ClientRequest(method, target, headers, body, length, peer, "http")
        return await self.gateway.handle(client_request, context or RequestContext())

    async def decide(
        self,
        *more: tuple[bytes, bytes],
        method: str = "GET",
        token: bytes = b"t-1",
        tag: bytes = b"wind",
        context: RequestContext,
    ) -> Decision:
        """The decision on one request, for an edge proxy."""
        headers = request_headers(*more, token=token, tag=tag)
        return await self.gateway.decide(ClientRequest(method, b"/rides", headers, peer="203.0.113.7"), context)

    def sent(self, index: int = -1) -> dict[bytes, bytes]:
        """The headers that the upstream got; each of them once."""
        headers = self.upstream.received[index].headers
        assert len(dict(headers)) == len(headers), headers
        return dict(headers)
