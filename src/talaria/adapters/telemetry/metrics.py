"""What is counted, and how Prometheus reads it.

A request only adds to plain dictionaries (`handlers`): prometheus_client takes a lock for each number. They are made
into samples when they are read. The tallies of several workers can be sent, and summed.
"""

import platform
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from talaria.adapters.telemetry.process_gauges import ProcessGauges
from talaria.domain.events import Attempt, ExchangeFinished, RequestFinished
from talaria.domain.routing import METHODS

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds in seconds."""

OTHER = "other"
_OUTCOMES_AT_MOST = 64

Labels = tuple[str | int, ...]
"""The values of a family's labels, in its order."""


Durations = list[float]
"""Observed seconds: how many fell into each bucket, the last one being without bound; and behind them the sum."""


class Tallies(msgspec.Struct):
    """All that one process has counted, by the family's name; and its gauges, which go with the process."""

    counters: dict[str, dict[Labels, int]] = {}
    durations: dict[str, dict[str, Durations]] = {}
    gauges: dict[str, dict[Labels, float]] = {}


class _Family(NamedTuple):
    text: str
    labels: tuple[str, ...] = ()
    combine: Callable[[list[float]], float] = sum
    """What several workers' values are together, of a gauge."""


_COUNTERS = {
    "requests": _Family("Requests answered.", ("tag", "method", "status", "reason", "origin")),
    "exchange": _Family("Exchanges of an id for a user id.", ("partner", "result")),
    "dependency_requests": _Family("Attempts at dependencies.", ("dependency", "outcome")),
    "5xx": _Family("Answers of 500 and above.", ("tag", "origin", "reason")),
    "5xx_avoided": _Family("Answers that would have been 5xx.", ("tag", "by")),
    "worker_restarts": _Family("Processes of several that ended, and were replaced.", ("how",)),
}
_DURATIONS = {
    "request_duration": _Family("From the head to the end of the answer.", ("tag",)),
    "dependency_request_duration": _Family("One attempt.", ("dependency",)),
}
_GAUGES = {
    "identity_cache_entries": _Family("Exchange results kept."),
    "identity_cache_limit": _Family("How many are kept at most, by all workers."),
    "requests_in_flight": _Family("Requests under way."),
    "requests_in_flight_limit": _Family("How many may be, in all workers."),
    "workers": _Family("Processes that serve clients."),
    "dependency_state": _Family("0: well. 1: failing. 2: not asked any more.", ("dependency",), max),
    "circuit_state": _Family("0: closed. 1: half-open. 2: open.", ("dependency",), max),
    "key_set_age_seconds": _Family("Since a caller's key set was fetched.", ("dependency",), max),
    "build_info": _Family("Always 1.", ("version", "python"), max),
    "config_last_reload_success": _Family("1: the last reload was taken.", combine=min),
    "config_last_reload_success_timestamp_seconds": _Family("When the configuration in force was taken.", combine=min),
    "config_hash": _Family("1: in force.", ("hash",), max),
    "process_cpu_seconds": _Family("Time of the processor, user's and system's.", ("worker",)),
    "process_resident_memory_bytes": _Family("Resident memory.", ("worker",)),
    "process_virtual_memory_bytes": _Family("Virtual memory.", ("worker",)),
    "process_open_fds": _Family("Open descriptors.", ("worker",)),
    "process_max_fds": _Family("How many may be open.", ("worker",)),
    "process_start_time_seconds": _Family("When it began, since the epoch.", ("worker",)),
}
_PROCESS = "process_"
_CPU = "process_cpu_seconds"
"""A counter that goes with its process, as the gauges do."""


def process_gauges(worker: str, process: ProcessGauges) -> dict[str, dict[Labels, float]]:
    """The gauges of this process, under its name."""
    return {name: {(worker,): value} for name, value in process.values().items() if name in _GAUGES}


def _nothing() -> Tallies:
    return Tallies({name: {} for name in _COUNTERS}, {name: {} for name in _DURATIONS}, {name: {} for name in _GAUGES})


def _counter(counts: dict[Labels, int]) -> Callable[[Labels], None]:
    """What adds one to the count of these labels."""
    get = counts.get

    def add(labels: Labels) -> None:
        counts[labels] = get(labels, 0) + 1

    return add


def _timer(durations: dict[str, Durations]) -> Callable[[str, float], None]:
    """What adds an observation under the one label."""
    get = durations.get

    def add(label: str, seconds: float) -> None:
        observed = get(label)
        if observed is None:
            observed = durations[label] = [0.0] * (len(BUCKETS) + 2)
        observed[bisect_left(BUCKETS, seconds)] += 1
        observed[-1] += seconds

    return add


class Metrics:
    """Counts events. `handlers`: the event bus' handler for each kind of event.

    `tags`: the routes' tags; any other is counted as `other`. `identities`: how many exchange results are kept.
    `in_flight`: how many requests are under way. `states`: further gauges with a value for each dependency, by family.
    `failures`: origin and reason of each failure that there can be; it is counted from 0. `worker`: this one's number.
    """

    def __init__(
        self,
        *,
        tags: Iterable[str],
        identities: Callable[[], int],
        in_flight: Callable[[], int],
        states: Callable[[], Mapping[str, Mapping[str, float]]] = dict,
        failures: Collection[tuple[str, str]] = (),
        worker: int = 0,
        version: str,
    ) -> None:
        self._failures = failures
        self._outcomes: set[str] = set()
        self._measured = {"identity_cache_entries": identities, "requests_in_flight": in_flight}
        self._states = states
        self._worker = str(worker)
        self._process = ProcessGauges()
        self._tallies = _nothing()
        self._gauges = self._tallies.gauges
        self._gauges["build_info"] = {(version, platform.python_version()): 1}
        self._gauges["workers"] = {(): 1}
        self.set_known_tags(tags)
        counters, durations = self._tallies.counters, self._tallies.durations
        self._count_request = _counter(counters["requests"])
        self._count_failure = _counter(counters["5xx"])
        self._count_avoided = _counter(counters["5xx_avoided"])
        self._count_exchange = _counter(counters["exchange"])
        self._count_call = _counter(counters["dependency_requests"])
        self._time_request = _timer(durations["request_duration"])
        self._time_call = _timer(durations["dependency_request_duration"])
        self.handlers: dict[type, Callable[[Any], None]] = {
            RequestFinished: self._request,
            ExchangeFinished: self._exchange,
            Attempt: self._call,
        }

    def set_known_tags(self, tags: Iterable[str]) -> None:
        """Count these tags by name from now on."""
        self._tags = frozenset(tags)
        counts = self._tallies.counters["5xx"]
        for tag in (*self._tags, OTHER):
            for origin, reason in self._failures:
                counts.setdefault((tag, origin, reason), 0)

    def configured(self, digest: str, at: float, in_flight_limit: int = 0, identities_limit: int = 0) -> None:
        """This configuration is in force since `at`, in seconds since the epoch, with these limits of one worker."""
        self._gauges["config_hash"] = {(digest,): 1.0}
        self._gauges["requests_in_flight_limit"] = {(): in_flight_limit}
        self._gauges["identity_cache_limit"] = {(): identities_limit}
        self._gauges["config_last_reload_success_timestamp_seconds"] = {(): at}
        self._gauges["config_last_reload_success"] = {(): 1.0}

    def reload_failed(self) -> None:
        """What should have come in force can't."""
        self._gauges["config_last_reload_success"] = {(): 0.0}

    def tallies(self) -> Tallies:
        """Everything up to now."""
        for name, value in self._measured.items():
            self._gauges[name] = {(): value()}
        for name, values in self._states().items():
            self._gauges[name] = {(dependency,): state for dependency, state in values.items()}
        self._gauges.update(process_gauges(self._worker, self._process))
        return self._tallies

    def _request(self, event: RequestFinished) -> None:
        context = event.context
        tag = context.tag if context.tag in self._tags else OTHER
        method = event.method if event.method in METHODS else OTHER
        self._count_request((tag, method, event.status, event.reason, event.origin))
        self._time_request(tag, event.seconds)
        if event.status >= 500:
            self._count_failure((tag, event.origin, event.reason))
        elif len(context.attempts) > 1 or context.identity_refreshed or context.exchange == "stale":
            by = avoided_by(event)
            if by:
                self._count_avoided((tag, by))

    def _exchange(self, event: ExchangeFinished) -> None:
        self._count_exchange((event.partner, event.result))

    def _call(self, event: Attempt) -> None:
        outcome = event.outcome
        if outcome not in self._outcomes:
            if len(self._outcomes) < _OUTCOMES_AT_MOST:
                self._outcomes.add(outcome)
            else:
                outcome = OTHER
        self._count_call((event.dependency, outcome))
        self._time_call(event.dependency, event.seconds)


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


def summed(processes: Iterable[Tallies]) -> Tallies:
    """The tallies of several processes as one."""
    together = _nothing()
    gauges: dict[str, dict[Labels, list[float]]] = {name: {} for name in _GAUGES}
    for process in processes:
        for name, counts in process.counters.items():
            sums = together.counters[name]
            for labels, count in counts.items():
                sums[labels] = sums.get(labels, 0) + count
        for name, durations in process.durations.items():
            for label, observed in durations.items():
                before = together.durations[name].get(label, [0.0] * len(observed))
                together.durations[name][label] = [sum(pair) for pair in zip(before, observed, strict=True)]
        for name, values in process.gauges.items():
            for labels, value in values.items():
                gauges[name].setdefault(labels, []).append(value)
    for name, by_labels in gauges.items():
        together.gauges[name] = {labels: _GAUGES[name].combine(values) for labels, values in by_labels.items()}
    return together


def render(tallies: Tallies, accept: str) -> tuple[bytes, str]:
    """The metrics in the form that this `accept` header asks for, and their content type."""
    registry = CollectorRegistry()
    registry.register(_Collector(tallies))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


@dataclass(frozen=True, eq=False)
class _Collector:
    """prometheus_client's collector of these tallies."""

    tallies: Tallies

    def collect(self) -> Iterator[Metric]:
        for name, family in _COUNTERS.items():
            counter = CounterMetricFamily(f"talaria_{name}", family.text, labels=family.labels)
            for labels, count in self.tallies.counters[name].items():
                counter.add_metric(_texts(labels), count)
            yield counter
        for name, family in _DURATIONS.items():
            histogram = HistogramMetricFamily(f"talaria_{name}_seconds", family.text, labels=family.labels)
            for label, observed in self.tallies.durations[name].items():
                histogram.add_metric([label], _cumulative(observed[:-1]), observed[-1])
            yield histogram
        for name, family in _GAUGES.items():
            kind = CounterMetricFamily if name == _CPU else GaugeMetricFamily
            full_name = name if name.startswith(_PROCESS) else f"talaria_{name}"
            gauge = kind(full_name, family.text, labels=family.labels)
            for labels, value in self.tallies.gauges[name].items():
                gauge.add_metric(_texts(labels), value)
            yield gauge


def _texts(labels: Labels) -> list[str]:
    return [str(label) for label in labels]


def _cumulative(buckets: list[float]) -> list[tuple[str, float]]:
    bounds = [*map(str, BUCKETS), "+Inf"]
    return list(zip(bounds, accumulate(buckets), strict=True))
