"""What readiness says: whether clients should come here, and what each route depends on."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

SEVERITY = {"not asked yet": 0, "ok": 0, "closed": 0, "failing": 1, "half-open": 1, "open": 2, "unavailable": 2}
"""How bad a state of a dependency is."""


class Dependency(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that a route needs, a caller's key set too.

    `state` is that of its circuit breaker or key set: "ok", "not asked yet", "failing" (the last request failed),
    "open", "half-open"; or "unavailable" for a key set. Where it is in trouble: `since` when (RFC 3339), the `cause` of
    the last failure, in how many seconds it may be asked again, and in how many of the workers that answered.
    """

    name: str
    state: str
    since: str = ""
    cause: str = ""
    retry_in_seconds: float = 0.0
    affected_workers: int = 0
    of_workers: int = 0

    @property
    def severity(self) -> int:
        """0 where all is well."""
        return SEVERITY.get(self.state, 0)


class RouteReadiness(msgspec.Struct, frozen=True):
    """One route and what it depends on, in the order in which a request needs it."""

    tag: str
    dependencies: list[Dependency]


class Configured(msgspec.Struct, frozen=True):
    """The configuration that is in force, since when, and whether the last reload was taken.

    `last_reload` is when that was tried, empty where none was since the start. Times are RFC 3339, UTC.
    """

    digest: str
    since: str
    last_reload_ok: bool = True
    last_reload: str = ""


class Readiness(msgspec.Struct, frozen=True):
    """`ready`: clients may come. A dependency's trouble is shown, but makes no instance unready: another one of the
    gateway would have the same trouble. `workers`: how many there are, and how many `answered` just now.
    """

    ready: bool
    draining: bool
    routes: list[RouteReadiness]
    configuration: Configured | None = None
    workers: int = 1
    answered: int = 1


def merged(workers: Sequence[Readiness], configured: int, answered: int, *, draining: bool = False) -> Readiness:
    """What several workers say, the worst state of each dependency; ready while any of them is.

    `configured`: how many workers there should be, `answered`: how many said it just now. A worker that has just died
    is being replaced. Once all are told to drain (`draining`), none is ready, whatever one that has ended said last.
    """
    if not workers:
        return Readiness(False, draining, [], None, configured, 0)
    ready = [one for one in workers if one.ready] or workers
    base = min(ready, key=lambda one: one.configuration is None or one.configuration.last_reload_ok)
    routes = [RouteReadiness(route.tag, _worst(route, workers)) for route in base.routes]
    said = replace(base, routes=routes, workers=configured, answered=answered)
    return replace(said, ready=False, draining=True) if draining else said


def _worst(route: RouteReadiness, workers: Iterable[Readiness]) -> list[Dependency]:
    said: dict[str, list[Dependency]] = {dependency.name: [] for dependency in route.dependencies}
    for worker in workers:
        for other in worker.routes:
            if other.tag == route.tag:
                for dependency in other.dependencies:
                    said.setdefault(dependency.name, []).append(dependency)
    return [worst(dependencies) for dependencies in said.values()]


def worst(said: Sequence[Dependency]) -> Dependency:
    """The worst of what the workers say of one dependency; of equals the one that has been in trouble for longest."""
    asked = [one for one in said if one.state != "not asked yet"] or said
    found = min(asked, key=lambda one: (-one.severity, one.since))
    if not found.severity:
        return found
    affected = sum(one.severity == found.severity for one in said)
    return replace(found, affected_workers=affected, of_workers=len(said))
