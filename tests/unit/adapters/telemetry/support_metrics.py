"""Counted events, and what Prometheus reads of them."""

from typing import Any

from talaria.adapters.telemetry.exposition import render
from talaria.adapters.telemetry.metrics import Metrics
from talaria.adapters.telemetry.tallies import summed
from talaria.domain.events import Attempt, Event, RequestContext, RequestFinished


def metrics(entries: int = 0, in_flight: int = 0, **more: Any) -> Metrics:
    return Metrics(tags=["wind"], identities=lambda: entries, in_flight=lambda: in_flight, version="1.2.3", **more)


def count(counted: Metrics, event: Event) -> None:
    counted.handlers[type(event)](event)


def text_of(*counted: Metrics) -> str:
    """What Prometheus reads of these processes together."""
    return render(summed([one.tallies() for one in counted]), "")[0].decode()


def ended(
    status: int = 200,
    *,
    tag: str = "wind",
    method: str = "GET",
    reason: str = "",
    origin: str = "",
    seconds: float = 0.004,
    context: RequestContext | None = None,
) -> RequestFinished:
    context = context or RequestContext(tag=tag)
    return RequestFinished(context, method, status, reason, origin, 0, 0, seconds)  # type: ignore[arg-type]


def attempt(outcome: str, dependency: str = "personal", address: str = "") -> Attempt:
    return Attempt(dependency, 0.0, 0.1, outcome, address)
