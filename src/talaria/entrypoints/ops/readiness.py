"""What readiness says: whether clients should come here, and what each route depends on."""

import msgspec


class Dependency(msgspec.Struct, frozen=True):
    """Something that a route needs, a caller's key set too.

    `state`: that of its circuit breaker or key set, "ok" where nothing speaks against it.
    """

    name: str
    state: str = "ok"


class RouteReadiness(msgspec.Struct, frozen=True):
    """One route and what it depends on, in the order in which a request needs it."""

    tag: str
    dependencies: list[Dependency]


class Configured(msgspec.Struct, frozen=True):
    """The configuration that is in force, since when (RFC 3339, UTC), and whether the last reload was taken."""

    digest: str
    since: str
    last_reload_ok: bool = True


class Readiness(msgspec.Struct, frozen=True):
    """`ready`: clients may come. A dependency's trouble is shown, but makes no instance unready: another one of the
    gateway would have the same trouble.
    """

    ready: bool
    draining: bool
    routes: list[RouteReadiness]
    configuration: Configured | None = None
