"""Every refusal there is, and what tests ask of one."""

from collections.abc import Callable, Iterator
from functools import partial

from talaria.domain.errors import (
    BadAnswer,
    CircuitOpen,
    ClientFault,
    DependencyFault,
    GatewayFault,
    KeysUnavailable,
    MethodNotAllowed,
    Overloaded,
    Refusal,
    TimedOut,
    Unreachable,
)
from talaria.domain.model import Origin

Maker = Callable[..., Refusal]
"""Makes a refusal of one reason; takes `cause` and `retry_after`."""

FAULTS: dict[Origin, tuple[type[DependencyFault], ...]] = {
    "personal": (Unreachable, BadAnswer, TimedOut, Overloaded),
    "partner": (Unreachable, BadAnswer, TimedOut, Overloaded),
    "upstream": (Unreachable, BadAnswer, TimedOut),
}
"""The kinds of fault that each dependency has."""


def by(origin: Origin) -> Callable[[Refusal], bool]:
    """A `check` for `pytest.raises`: is this the origin of the refusal?"""
    return lambda refusal: refusal.origin == origin


def kinds(base: type[Refusal]) -> Iterator[type[Refusal]]:
    """The tree below one refusal."""
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def leaves(base: type[Refusal]) -> list[type[Refusal]]:
    """The kinds below one refusal that have none below them."""
    return [kind for kind in kinds(base) if not kind.__subclasses__()]


def _not_allowed(cause: str = "", *, retry_after: float | None = None) -> Refusal:
    refusal = MethodNotAllowed(frozenset({"POST", "GET"}))
    refusal.cause, refusal.retry_after = cause, retry_after
    return refusal


def _makers() -> Iterator[Maker]:
    for base in (ClientFault, GatewayFault):
        yield from (_not_allowed if kind is MethodNotAllowed else kind for kind in leaves(base))
    for origin, faults in FAULTS.items():
        yield from (partial(fault, origin) for fault in faults)
    yield partial(CircuitOpen, "partner")
    yield KeysUnavailable


MAKERS: dict[str, Maker] = {make().reason: make for make in _makers()}
"""By reason."""
