"""What is counted, and how Prometheus reads it.

The law of the tallies: a request only adds to plain dictionaries (`takers`), for prometheus_client takes a lock for
each number; `flush` moves what has come together into its metrics, before they are read. With one process `render`
does both. With several workers (PROMETHEUS_MULTIPROC_DIR is set before this module is imported) each of them flushes
into files of its own, twice a second, and the operators' process sums the files by `render_sum`. The files are those of
the worker's number, not of its process: one that takes the place of another counts on where that has ended, so however
many of them die, there are no more files.
"""

import asyncio
import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any, Literal

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from talaria.domain.events import Attempt, ExchangeFinished, RequestFinished
from talaria.domain.routing import METHODS

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds in seconds."""

OTHER = "other"
_OUTCOMES_AT_MOST = 64

disable_created_metrics()  # type: ignore[no-untyped-call]


class _Counts:
    """Counts by label values."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._pending: dict[tuple[object, ...], int] = {}

    def add(self, key: tuple[object, ...]) -> None:
        pending = self._pending
        pending[key] = pending.get(key, 0) + 1

    def flush(self) -> None:
        for key, count in self._pending.items():
            self._counter.labels(*key).inc(count)
        self._pending.clear()


class _Histogram(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: list[int], total: float) -> None:
        """`counts`: how many fell into each bucket, the last one being without bound; `total`: their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class _Durations:
    """Seconds by one label."""

    def __init__(self, histogram: _Histogram) -> None:
        self._histogram = histogram
        self._pending: dict[str, list[int]] = {}
        self._totals: dict[str, float] = {}

    def add(self, key: str, seconds: float) -> None:
        counts = self._pending.get(key)
        if counts is None:
            counts = self._pending[key] = [0] * (len(BUCKETS) + 1)
            self._totals[key] = 0.0
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._totals[key] += seconds

    def flush(self) -> None:
        for key, counts in self._pending.items():
            self._histogram.labels(key).add(counts, self._totals[key])
        self._pending.clear()


class Metrics:
    """Counts events. Has a registry of its own. `takers`: the fan-out's consumer for each kind of event.

    `tags`: the routes' tags; any other is counted as `other`. `identities`: how many exchange results are kept.
    `in_flight`: how many requests are under way.
    """

    def __init__(
        self, *, tags: Iterable[str], identities: Callable[[], int], in_flight: Callable[[], int], version: str
    ) -> None:
        self.registry = CollectorRegistry()
        self._tags = frozenset(tags)
        self._outcomes: set[str] = set()
        self._requests = self._counts("requests", "Requests answered.", "tag", "method", "status", "reason", "origin")
        self._exchanges = self._counts("exchange", "Exchanges of an id for a user id.", "partner", "result")
        self._calls = self._counts("dependency_requests", "Attempts at dependencies.", "dependency", "outcome")
        self._failures = self._counts("5xx", "Answers of 500 and above.", "tag", "origin", "reason")
        self._avoided = self._counts("5xx_avoided", "Answers that would have been 5xx.", "tag", "by")
        self._durations = self._seconds("request_duration", "From the head to the end of the answer.", "tag")
        self._call_durations = self._seconds("dependency_request_duration", "One attempt.", "dependency")
        self._flushed = (
            self._requests,
            self._exchanges,
            self._calls,
            self._failures,
            self._avoided,
            self._durations,
            self._call_durations,
        )
        self._gauges = (
            (self._gauge("identity_cache_entries", "Exchange results kept."), identities),
            (self._gauge("requests_in_flight", "Requests under way."), in_flight),
        )
        self._say_build(version)
        self._reload_ok = self._gauge("config_last_reload_success", "1: the last reload was taken.", "livemin")
        at = "config_last_reload_success_timestamp_seconds"
        self._reload_at = self._gauge(at, "When the configuration in force was taken.", "livemin")
        self._configurations = Gauge(
            "talaria_config_hash", "1: in force.", ["hash"], registry=self.registry, multiprocess_mode="livemax"
        )
        self._configuration = ""
        self.takers: dict[type, Callable[[Any], None]] = {
            RequestFinished: self._request,
            ExchangeFinished: self._exchange,
            Attempt: self._call,
        }

    def know_tags(self, tags: Iterable[str]) -> None:
        """Count these tags by name from now on."""
        self._tags = frozenset(tags)

    def configured(self, digest: str, at: float) -> None:
        """This configuration is in force since `at`, in seconds since the epoch."""
        if self._configuration and self._configuration != digest:
            self._configurations.labels(self._configuration).set(0)
        self._configuration = digest
        self._configurations.labels(digest).set(1)
        self._reload_at.set(at)
        self._reload_ok.set(1)

    def reload_refused(self) -> None:
        """What should have come in force can't."""
        self._reload_ok.set(0)

    def flush(self) -> None:
        """Move what has come together into the metrics."""
        for tallies in self._flushed:
            tallies.flush()
        for gauge, value in self._gauges:
            gauge.set(value())

    async def keep_flushing(self, seconds: float = 0.5) -> None:
        """Flush for ever; once more when cancelled. For a worker, whose files somebody else reads."""
        try:
            while True:
                self.flush()
                await asyncio.sleep(seconds)
        finally:
            self.flush()

    def render(self) -> bytes:
        """This process's metrics in Prometheus' text form (`CONTENT_TYPE`)."""
        self.flush()
        return generate_latest(self.registry)

    def _request(self, event: RequestFinished) -> None:
        context = event.context
        tag = context.tag if context.tag in self._tags else OTHER
        method = event.method if event.method in METHODS else OTHER
        self._requests.add((tag, method, event.status, event.reason, event.origin))
        self._durations.add(tag, event.seconds)
        if event.status >= 500:
            self._failures.add((tag, event.origin, event.reason))
        elif len(context.attempts) > 1 or context.identity_refreshed or context.exchange == "stale":
            by = avoided_by(event)
            if by:
                self._avoided.add((tag, by))

    def _exchange(self, event: ExchangeFinished) -> None:
        self._exchanges.add((event.partner, event.result))

    def _call(self, event: Attempt) -> None:
        outcome = event.outcome
        if outcome not in self._outcomes:
            if len(self._outcomes) < _OUTCOMES_AT_MOST:
                self._outcomes.add(outcome)
            else:
                outcome = OTHER
        self._calls.add((event.dependency, outcome))
        self._call_durations.add(event.dependency, event.seconds)

    def _counts(self, name: str, text: str, *labels: str) -> _Counts:
        return _Counts(Counter(f"talaria_{name}", text, labels, registry=self.registry))

    def _seconds(self, name: str, text: str, label: str) -> _Durations:
        full_name = f"talaria_{name}_seconds"
        return _Durations(_Histogram(full_name, text, [label], registry=self.registry, buckets=BUCKETS))

    def _gauge(self, name: str, text: str, mode: Literal["livesum", "livemin"] = "livesum") -> Gauge:
        return Gauge(f"talaria_{name}", text, registry=self.registry, multiprocess_mode=mode)

    def _say_build(self, version: str) -> None:
        labels = ("version", "python")
        build = Gauge("talaria_build_info", "Always 1.", labels, registry=self.registry, multiprocess_mode="livemax")
        build.labels(version, platform.python_version()).set(1)


def avoided_by(event: RequestFinished) -> str | None:
    """What kept this answer from being a 5xx: stale, healed, coalesced, other-url or retry. None: it never was one."""
    context = event.context
    if event.status >= 499:
        return None
    if context.exchange == "stale":
        return "stale"
    if context.identity_refreshed:
        return "healed"
    failed = [attempt for attempt in context.attempts if _is_failure(attempt.outcome)]
    if not failed:
        return None
    if context.exchange == "coalesced":
        return "coalesced"
    dependency = failed[-1].dependency
    addresses = {attempt.address for attempt in context.attempts if attempt.dependency == dependency}
    return "other-url" if len(addresses) > 1 else "retry"


def _is_failure(outcome: str) -> bool:
    """A word such as "timeout", or a status that promises nothing good."""
    return outcome >= "500" or outcome == "429" if outcome.isdigit() else outcome != "ok"


def render_sum(directory: str) -> bytes:
    """The metrics of all workers, those that have ended too, summed from the files in `directory`."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def count_as(worker: int) -> None:
    """Be the worker of this number among several; before any Metrics are made."""
    values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]


def forget_worker(worker: int, directory: str) -> None:
    """Drop the gauges of a worker that has ended. Its counts stay in the sums."""
    mark_process_dead(worker, directory)  # type: ignore[no-untyped-call]
