"""The last answers of 500 and above, ours or passed on, with their origin; and the last 4xx of each reason. In memory,
bounded.
"""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import chain
from time import time_ns

import msgspec

from talaria.adapters.telemetry.request_line import RequestLine, clipped, request_line
from talaria.adapters.telemetry.timestamps import Timestamps
from talaria.domain.events import Attempt, Event, RequestFinished

KEPT = 1000
_REFUSALS_KEPT = 100
_CLIENT_ERRORS_KEPT = 50
"""Of each reason."""
ATTEMPTS_KEPT = 100
"""Of each record, the last ones: an adapter that polls may ask thousands of times."""
_CIRCUIT_OPEN = "circuit-open"

STATUS = "[45](?:[0-9][0-9]|xx)"
"""How a filter writes a status, or all of a kind."""

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
    """One answer of 400 or above. `time` is that of its end (RFC 3339, UTC), `phase` where the request ended.

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


class RecordFilter(msgspec.Struct, frozen=True):
    """Which records are asked for; what is empty admits all. `since` and `until` are RFC 3339 in UTC.

    `status` is one, or a class such as "4xx". Where neither it nor `reason` is named, failures of 500 and above alone.
    """

    since: str = ""
    until: str = ""
    caller: str = ""
    route: str = ""
    status: str = ""
    reason: str = ""

    def admits(self, record: FailureRecord) -> bool:
        """Whether this record is meant."""
        asked = ((self.caller, record.caller), (self.route, record.tag), (self.reason, record.reason))
        return (
            all(wanted in ("", found) for wanted, found in asked)
            and self._admits_status(record)
            and self.since.removesuffix("Z") <= record.time
            and (not self.until or record.time.removesuffix("Z") <= self.until.removesuffix("Z"))
        )

    def _admits_status(self, record: FailureRecord) -> bool:
        status = str(record.status)
        if not (self.status or self.reason):
            return record.status >= 500 and record.reason != _CIRCUIT_OPEN
        return self.status in ("", status, f"{status[0]}xx")


FAILURES, REFUSALS = RecordFilter(), RecordFilter(status="4xx")


class FailureRecords:
    """Keeps the newest records, in memory. `recorded`: how many there were.

    The refusals of an open circuit are many and say nothing new: a few are kept apart, so that one can be found, and
    take the place of no failure. So are those below 500, a few of each reason.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.recorded = 0
        self._kept = kept
        self._records: dict[str, deque[tuple[int, FailureRecord]]] = {}

    def add(self, record: FailureRecord) -> None:
        """Keep one more."""
        self.recorded += 1
        apart, most = "", self._kept
        if record.status < 500:
            apart, most = record.reason or PASSED_ON, _CLIENT_ERRORS_KEPT
        elif record.reason == _CIRCUIT_OPEN:
            apart, most = _CIRCUIT_OPEN, _REFUSALS_KEPT
        self._records.setdefault(apart, deque(maxlen=most)).append((self.recorded, record))

    def find(self, request_id: str) -> FailureRecord | None:
        """The newest record of this request id."""
        found = [record for record in reversed(self.after(0)) if record.request_id == request_id]
        return max(found, key=lambda record: record.time, default=None)

    def last(self, count: int, asked: RecordFilter = FAILURES) -> list[FailureRecord]:
        """The newest of those that are asked for, newest first."""
        records = [record for record in reversed(self.after(0)) if asked.admits(record)]
        return sorted(records, key=lambda record: record.time, reverse=True)[:count]

    def after(self, recorded: int) -> list[FailureRecord]:
        """What is kept of the records after the first so many, oldest first."""
        fresh = [numbered for numbered in chain(*self._records.values()) if numbered[0] > recorded]
        return [record for _, record in sorted(fresh, key=lambda numbered: numbered[0])]


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
        if type(event) is RequestFinished and event.status >= 400:
            self.records.add(self._record_of(event))

    def _record_of(self, event: RequestFinished) -> FailureRecord:
        context = event.context
        line = request_line(event, self._timestamp())
        if event.status < 500:
            line = clipped(line)  # a client may have written into it what it likes
        return FailureRecord(
            phase=context.phase if event.reason else PASSED_ON,
            attempts=[_attempt_record(attempt, context.started) for attempt in context.attempts[-ATTEMPTS_KEPT:]],
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
