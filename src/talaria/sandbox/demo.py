"""One real request over the real sockets, put together from what each of the servers saw of it.

client -> gateway -> (the caller's key set) -> personal -> wind -> talaria-services, and back.
"""

import time
from dataclasses import dataclass

import msgspec

from talaria.sandbox.echo_routes import masked
from talaria.sandbox.loopback_client import loopback_client
from talaria.sandbox.request_log import RecordedRequest
from talaria.sandbox.service import SimulatedService
from talaria.sandbox.stack import Sandbox

TARGET = "/v1/scooters/nearby?lat=52.52&lon=13.40"
_OWN = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "scooter-app/1.0"}
_SMUGGLED = {"x-wind-user-id": "wind-user-boris", "x-talaria-role": "admin"}
"""What an honest client does not send: the output shows what becomes of it."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One call of the gateway to a service. Times in milliseconds: since the client's start, and taken."""

    service: str
    summary: str
    status: int
    at: float
    took: float


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a header on its way: `before` or `after` is empty where it was not there. Credentials are cut."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DemoResult:
    """A request and its response as the client saw them, the hops in between, and how its headers were changed.

    `size` in bytes, `took` in milliseconds.
    """

    status: int
    size: int
    took: float
    request_id: str
    hops: list[Hop]
    changes: list[Change]

    @property
    def exchanged(self) -> bool:
        """Was personal asked? If not, the identity came from the cache."""
        return any(hop.service == "personal" for hop in self.hops)


@dataclass(frozen=True, slots=True)
class RefusedResult:
    """A response of the gateway's own."""

    status: int
    reason: str
    detail: str


async def run(sandbox: Sandbox, tag: str = "wind") -> DemoResult:
    """Send the request once, for this tag, and collect what was seen. Raises httpx.HTTPError without a response."""
    host = sandbox.public_url.removeprefix("http://")
    headers = {"host": host, **sandbox.headers(tag=tag), **_OWN, **_SMUGGLED}
    counts = [service.requests.count for service in sandbox.services]
    async with loopback_client() as client:
        began = time.perf_counter()
        response = await client.get(sandbox.public_url + TARGET, headers=headers)
        took = _milliseconds(time.perf_counter() - began)
    seen = [
        (service, request)
        for service, count in zip(sandbox.services, counts, strict=True)
        for request in _since(service, count)
    ]
    hops = sorted((_hop(service, request, began) for service, request in seen), key=lambda hop: hop.at)
    forwarded = [request for service, request in seen if service is sandbox.talaria_services]
    changes = _changes(headers, forwarded[0]) if forwarded else []
    request_id = response.headers.get("x-request-id", "")
    return DemoResult(response.status_code, len(response.content), took, request_id, hops, changes)


async def run_refused(sandbox: Sandbox) -> RefusedResult:
    """The same request without a token."""
    async with loopback_client() as client:
        response = await client.get(sandbox.public_url + TARGET, headers={"x-api-tag": "wind"})
    problem = msgspec.json.decode(response.content, type=dict[str, object])
    return RefusedResult(response.status_code, str(problem["reason"]), str(problem["detail"]))


def _since(service: SimulatedService, count: int) -> list[RecordedRequest]:
    new = service.requests.count - count
    return service.requests.all[-new:] if new else []


def _hop(service: SimulatedService, request: RecordedRequest, began: float) -> Hop:
    at, took = _milliseconds(request.at - began), _milliseconds(request.seconds)
    return Hop(service.name, service.summary, request.status, at, took)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _changes(sent: dict[str, str], request: RecordedRequest) -> list[Change]:
    """Every header that did not go on as it came: what was sent first, then what is new, each in its order."""
    arrived = {name: b", ".join(request.header(name)) for name, _ in request.headers}
    went = {name.encode(): value.encode() for name, value in sent.items()}
    changed = [name for name in [*went, *(set(arrived) - set(went))] if went.get(name) != arrived.get(name)]
    order = {name: place for place, name in enumerate([*went, *arrived])}
    return [_change(name, went, arrived) for name in sorted(changed, key=order.__getitem__)]


def _change(name: bytes, went: dict[bytes, bytes], arrived: dict[bytes, bytes]) -> Change:
    before, after = (masked(name, side[name]) if name in side else "" for side in (went, arrived))
    return Change(name.decode(), before, after)
