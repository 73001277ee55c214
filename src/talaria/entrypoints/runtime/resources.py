"""What holds connections, or knows how a dependency does: it goes on from one configuration to the next."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from talaria.adapters.auth.jwks import JwksClient
from talaria.adapters.http1.pool import PoolState
from talaria.adapters.telemetry.tallies import Labels
from talaria.adapters.telemetry.timestamps import rfc3339
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import CircuitBreaker
from talaria.entrypoints.ops.readiness import SEVERITY, Dependency
from talaria.entrypoints.runtime.rate_limiters import RateLimiters

logger = logging.getLogger("talaria.health")

CLOSE_SECONDS = 0.5
_CIRCUIT_STATES = {"closed": 0, "half-open": 1, "open": 2}

Watched = CircuitBreaker | JwksClient
"""What knows how a dependency does."""


class Resource(Protocol):
    """Something that goes on while what it was made of stays the same."""

    async def aclose(self) -> None:
        """Close every connection, and give up what is under way."""


T = TypeVar("T", bound=Resource)


class Pooled(Protocol):
    """What has connections to a dependency."""

    def pool_state(self) -> PoolState:
        """How they are."""
        ...

    async def follow_names(self) -> None:
        """Renew the connections to addresses that their names have no longer."""


class ResourceRegistry:
    """The resources of one configuration, by a key of everything that each was made of.

    Those of `before` are taken over where the key is equal. So a reload that changes one partner leaves the
    connections, the breakers and the key sets of the others alone. `watched`: what has a state, by the dependency, and
    `pools`, what has its connections. `key_sets`: those behind a url, by caller and url.
    """

    def __init__(self, before: "ResourceRegistry | None" = None) -> None:
        self.watched: dict[str, Watched] = {}
        self.pools: dict[str, Pooled] = {}
        self.key_sets: dict[str, JwksClient] = {}
        self._before: dict[Hashable, Resource] = before._resources if before is not None else {}
        self._resources: dict[Hashable, Resource] = {}

    def get_or_create(self, key: Hashable, create: Callable[[], T]) -> T:
        """The resource of this key, or a new one."""
        found: Any = self._resources.get(key) or self._before.get(key)
        if found is None:
            found = create()
        self._resources[key] = found
        return cast(T, found)

    def watch(self, dependency: str, watched: Watched, pool: Pooled) -> None:
        """The state of this dependency is that of `watched`, its connections are those of `pool`."""
        self.watched[dependency] = watched
        self.pools[dependency] = pool

    def not_taken_over_by(self, successor: "ResourceRegistry") -> Iterator[Resource]:
        """The resources that `successor` has no use for."""
        taken = {id(resource) for resource in successor}
        yield from (resource for resource in self if id(resource) not in taken)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())


async def close_all(resources: Iterable[Resource]) -> None:
    """Close each within CLOSE_SECONDS. One that fails, as a partner's adapter may, is logged and stops no other."""

    async def close(resource: Resource) -> None:
        async with asyncio.timeout(CLOSE_SECONDS):
            await resource.aclose()

    for failure in await asyncio.gather(*map(close, resources), return_exceptions=True):
        if failure is not None:
            logging.getLogger("talaria").error("a resource can't be closed", exc_info=failure)


@dataclass(frozen=True, slots=True)
class ClientParts:
    """What all that calls others has in common."""

    recorder: Recorder
    clock: Clock
    resources: ResourceRegistry
    rate_limiters: RateLimiters
    waiting_for_keys: Callable[[], AbstractContextManager[None]] = nullcontext


class HealthRegistry:
    """How every dependency of the configuration in force does. `now`: monotonic seconds, `wall`: since the epoch.

    Each change of a circuit breaker is said in a line.
    """

    def __init__(self, clock: Clock, wall: Callable[[], float]) -> None:
        self._now = clock.now
        self._wall = wall
        self._watched: Mapping[str, Watched] = {}
        self._pools: Mapping[str, Pooled] = {}

    def replace_with(self, resources: ResourceRegistry) -> None:
        """From now on what these watch."""
        self._watched, self._pools = resources.watched, resources.pools
        for name, one in self._watched.items():
            if isinstance(one, CircuitBreaker):
                one.on_change = partial(_log_change, name, one)

    def states(self) -> dict[str, str]:
        """The state of each, by the dependency."""
        return {name: one.state for name, one in self._watched.items()}

    def dependencies(self) -> dict[str, Dependency]:
        """The health of each, by the dependency."""
        return {name: self._dependency(name, one) for name, one in self._watched.items()}

    def gauges(self) -> dict[str, dict[Labels, float]]:
        """What metrics say of each, by the gauge's name (telemetry/tallies.py) and its labels."""
        key_sets = {name: one for name, one in self._watched.items() if isinstance(one, JwksClient)}
        breakers = {name: one for name, one in self._watched.items() if isinstance(one, CircuitBreaker)}
        serving = {name: (one.usable, known[1]) for name, one in key_sets.items() if (known := one.known())}
        return {
            "dependency_state": {(name,): SEVERITY[one.health] for name, one in self._watched.items()},
            "circuit_state": {(name,): _CIRCUIT_STATES[one.state] for name, one in breakers.items()},
            "key_set_age_seconds": {(name,): self._now() - fetched_at for name, (_, fetched_at) in serving.items()},
            "key_set_keys": {(name,): serving.get(name, (0, 0.0))[0] for name in key_sets},
            **_pool_gauges({name: one.pool_state() for name, one in self._pools.items()}),
        }

    def _dependency(self, name: str, watched: Watched) -> Dependency:
        if not SEVERITY[watched.health] or watched.since is None:
            return Dependency(name, watched.health)
        now = self._now()
        since = rfc3339(self._wall() - (now - watched.since))
        return Dependency(name, watched.health, since, watched.cause, round(watched.refused_for(now), 1))


def _pool_gauges(pools: Mapping[str, PoolState]) -> dict[str, dict[Labels, float]]:
    states = {"in_use": 0, "idle": 1}
    return {
        "connections": {(name, state): pool[at] for name, pool in pools.items() for state, at in states.items()},
        "connection_waiters": {(name,): pool.waiting for name, pool in pools.items()},
        "certificate_expiry_timestamp_seconds": {
            ("server", name): pool.certificate_end for name, pool in pools.items() if pool.certificate_end
        },
    }


def _log_change(dependency: str, breaker: CircuitBreaker, state: str) -> None:
    extra = {"dependency": dependency, "state": state}
    if state == "open":
        logger.warning("a circuit breaker is open", extra={**extra, "cause": breaker.cause})
    else:
        logger.info("a circuit breaker is %s", state, extra=extra)
