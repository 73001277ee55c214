"""One real request over the real sockets, put together from what each of the servers saw of it.

client -> gateway -> (the caller's key set) -> personal -> wind -> talaria-services, and back.
"""

import asyncio
from dataclasses import dataclass

import msgspec

from talaria.sandbox.client import Fetched, fetch
from talaria.sandbox.echo_routes import masked
from talaria.sandbox.request_log import Received
from talaria.sandbox.service import Service
from talaria.sandbox.world import World

TARGET = "/v1/scooters/nearby?lat=52.52&lon=13.40"
_OWN = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "scooter-app/1.0"}
_SMUGGLED = {"x-wind-user-id": "wind-user-boris", "x-talaria-role": "admin"}
"""What an honest client does not send: the picture shows what becomes of it."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One call of the gateway to a service. Times in milliseconds: since the client's start, and taken."""

    service: str
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
class Trip:
    """A request and its answer as the client saw them, the hops in between, and how its headers were changed."""

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
class Refusal:
    """An answer of the gateway's own."""

    status: int
    reason: str
    detail: str


async def travel(world: World) -> Trip:
    """Send the request once and collect what was seen.

    Raises OSError or http.client.HTTPException where there is no answer.
    """
    host = world.public_url.removeprefix("http://")
    headers = {"host": host, **world.headers(), **_OWN, **_SMUGGLED}
    counts = {service: service.requests.count for service in world.all_services}
    answer = await asyncio.to_thread(fetch, world.public_url + TARGET, headers)
    seen = [(service.name, received) for service in counts for received in _since(service, counts[service])]
    hops = sorted((_hop(name, received, answer) for name, received in seen), key=lambda hop: hop.at)
    forwarded = [received for name, received in seen if name == world.services.name]
    changes = _changes(headers, forwarded[0]) if forwarded else []
    took = _milliseconds(answer.ended - answer.began)
    return Trip(answer.status, len(answer.body), took, answer.header("x-request-id"), hops, changes)


async def be_refused(world: World) -> Refusal:
    """The same request without a token."""
    answer = await asyncio.to_thread(fetch, world.public_url + TARGET, {"x-api-tag": "wind"})
    problem = msgspec.json.decode(answer.body, type=dict[str, object])
    return Refusal(answer.status, str(problem["reason"]), str(problem["detail"]))


def _since(service: Service, count: int) -> list[Received]:
    new = service.requests.count - count
    return service.requests.all[-new:] if new else []


def _hop(name: str, received: Received, answer: Fetched) -> Hop:
    return Hop(name, received.status, _milliseconds(received.at - answer.began), _milliseconds(received.seconds))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _changes(sent: dict[str, str], received: Received) -> list[Change]:
    """Every header that did not go on as it came: what was sent first, then what is new, each in its order."""
    arrived = {name: b", ".join(received.header(name)) for name, _ in received.headers}
    went = {name.encode(): value.encode() for name, value in sent.items()}
    changed = [name for name in [*went, *(set(arrived) - set(went))] if went.get(name) != arrived.get(name)]
    order = {name: place for place, name in enumerate([*went, *arrived])}
    return [_change(name, went, arrived) for name in sorted(changed, key=order.__getitem__)]


def _change(name: bytes, went: dict[bytes, bytes], arrived: dict[bytes, bytes]) -> Change:
    before, after = (masked(name, side[name]) if name in side else "" for side in (went, arrived))
    return Change(name.decode(), before, after)
