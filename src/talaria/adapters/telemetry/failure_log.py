"""The last answers of 500 and above, ours or passed on, with their origin. In memory, bounded."""

from collections import deque
from collections.abc import Callable, Mapping
from time import time_ns

import msgspec

from talaria.adapters.telemetry.request_line import RequestLine, request_line
from talaria.adapters.telemetry.timestamps import Timestamps
from talaria.domain.events import Attempt, Event, RequestFinished

KEPT = 1000
_REFUSALS_KEPT = 100
_CIRCUIT_OPEN = "circuit-open"

PASSED_ON = "passed on"
"""The `phase` of an answer of the upstream's own that reached its end: nothing ended it before."""


class AttemptRecord(msgspec.Struct, frozen=True):
    """One call to a dependency. `at_ms` counts from the request's beginning; below zero: another request began it."""

    dependency: str
    at_ms: float
    ms: float
    outcome: str
    address: str = ""


class FailureRecord(msgspec.Struct, frozen=True):
    """One answer of 500 or above. `time` is that of its end (RFC 3339, UTC), `phase` where the request ended.

    `reason` is empty, and `phase` PASSED_ON, where it is the upstream's own answer. `breakers`: the state of each
    circuit breaker at that moment. `person` is a pseudonym. What its access line says too is taken from there.
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
    attempts: list[AttemptRecord]
    breakers: dict[str, str]
    person: str = ""


_SHARED = set(FailureRecord.__struct_fields__) & set(RequestLine.__struct_fields__) - {"attempts"}


class FailureRecords:
    """Keeps the newest records, in memory. `recorded`: how many there were.

    The refusals of an open circuit are many and say nothing new: a few are kept apart, so that one can be found, and
    take the place of no failure.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.recorded = 0
        self._failures: deque[tuple[int, FailureRecord]] = deque(maxlen=kept)
        self._refusals: deque[tuple[int, FailureRecord]] = deque(maxlen=_REFUSALS_KEPT)

    def add(self, record: FailureRecord) -> None:
        """Keep one more."""
        self.recorded += 1
        kept = self._refusals if record.reason == _CIRCUIT_OPEN else self._failures
        kept.append((self.recorded, record))

    def find(self, request_id: str) -> FailureRecord | None:
        """The newest record of this request id."""
        found = [record for record in reversed(self.after(0)) if record.request_id == request_id]
        return max(found, key=lambda record: record.time, default=None)

    def last(self, count: int) -> list[FailureRecord]:
        """The newest failures, newest first."""
        records = [record for _, record in reversed(self._failures)]
        return sorted(records, key=lambda record: record.time, reverse=True)[:count]

    def after(self, recorded: int) -> list[FailureRecord]:
        """What is kept of the records after the first so many, oldest first."""
        together = sorted([*self._failures, *self._refusals], key=lambda numbered: numbered[0])
        return [record for number, record in together if number > recorded]


class FailureLog:
    """Records failures; a handler of the event bus.

    `states` gives the breakers' states by name, `clock` nanoseconds since the epoch.
    """

    def __init__(
        self,
        *,
        states: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], int] = time_ns,
        kept: int = KEPT,
    ) -> None:
        self.records = FailureRecords(kept)
        self._states = states
        self._timestamp = Timestamps(clock).now

    def record(self, event: Event) -> None:
        """Keep the end of a request that failed; other events pass."""
        if type(event) is RequestFinished and event.status >= 500:
            self.records.add(self._record_of(event))

    def _record_of(self, event: RequestFinished) -> FailureRecord:
        context = event.context
        line = request_line(event, self._timestamp())
        return FailureRecord(
            phase=context.phase if event.reason else PASSED_ON,
            attempts=[_attempt_record(attempt, context.started) for attempt in context.attempts],
            breakers=dict(self._states()),
            **{name: getattr(line, name) for name in _SHARED},
        )


def _attempt_record(attempt: Attempt, began: float) -> AttemptRecord:
    return AttemptRecord(
        attempt.dependency,
        _milliseconds(attempt.at - began),
        _milliseconds(attempt.seconds),
        attempt.outcome,
        attempt.address,
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
