"""The 5xx ledger: the last answers of 500 and above, ours or passed on, and whose they were. In memory, bounded.

An entry says how the request went, and who it was for by a pseudonym only (`person`).
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice

import msgspec

from talaria.domain.events import Attempt, Event, RequestFinished

KEPT = 1000

PASSED_ON = "passed on"
"""The `phase` of an answer of the upstream's own that reached its end: nothing ended it before."""


class Try(msgspec.Struct, frozen=True):
    """One call to a dependency. `at_ms` counts from the request's beginning; below zero: another request began it."""

    dependency: str
    at_ms: float
    ms: float
    outcome: str
    address: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One answer of 500 or above. `time` is that of its end (RFC 3339, UTC), `phase` where the request ended.

    `reason` is empty, and `phase` PASSED_ON, where it is the upstream's own answer. `breakers`: the state of each
    circuit breaker at that moment.
    """

    time: str
    request_id: str
    trace_id: str
    tag: str
    caller: str
    method: str
    status: int
    reason: str
    origin: str
    cause: str
    phase: str
    exchange: str | None
    healed: bool
    total_ms: float
    upstream_ms: float
    attempts: list[Try]
    breakers: dict[str, str]
    person: str = ""


class Ledger:
    """Keeps the entries; a consumer for the fan-out.

    `states` gives the breakers' states by name, `clock` seconds since the epoch.
    """

    def __init__(
        self,
        *,
        states: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], float] = time.time,
        kept: int = KEPT,
    ) -> None:
        self._states = states
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=kept)

    def record(self, event: Event) -> None:
        """Keep the end of a request that failed; other events pass."""
        if type(event) is RequestFinished and event.status >= 500:
            self._entries.append(self._entry(event))

    def find(self, request_id: str) -> Entry | None:
        """The newest entry of this request id."""
        return next((entry for entry in reversed(self._entries) if entry.request_id == request_id), None)

    def last(self, count: int) -> list[Entry]:
        """The newest entries, newest first."""
        return list(islice(reversed(self._entries), count))

    def _entry(self, event: RequestFinished) -> Entry:
        context = event.context
        return Entry(
            time=datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            request_id=context.request_id,
            trace_id=context.trace_id,
            tag=context.tag,
            caller=context.caller,
            method=event.method,
            status=event.status,
            reason=event.reason,
            origin=event.origin,
            cause=event.cause,
            phase=context.phase if event.reason else PASSED_ON,
            exchange=context.exchange,
            healed=context.identity_refreshed,
            total_ms=_milliseconds(event.seconds),
            upstream_ms=_milliseconds(context.upstream_seconds),
            attempts=[_try(attempt, context.started) for attempt in context.attempts],
            breakers=dict(self._states()),
            person=context.person,
        )


def merge(entries: list[list[Entry]], count: int) -> list[Entry]:
    """The newest of several ledgers' entries, newest first."""
    together = [entry for ledger in entries for entry in ledger]
    return sorted(together, key=lambda entry: entry.time, reverse=True)[:count]


def _try(attempt: Attempt, began: float) -> Try:
    return Try(
        attempt.dependency,
        _milliseconds(attempt.at - began),
        _milliseconds(attempt.seconds),
        attempt.outcome,
        attempt.address,
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
