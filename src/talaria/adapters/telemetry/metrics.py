"""Counts events.

A request only adds to plain dictionaries (`handlers`): prometheus_client takes a lock for each number. They are made
into samples when they are read (exposition.py).
"""

import platform
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from talaria.adapters.telemetry.process_gauges import ProcessGauges
from talaria.adapters.telemetry.tallies import BUCKETS, FAMILIES, Durations, Exemplar, Labels, Tallies, no_tallies
from talaria.domain.events import (
    Attempt,
    ExchangeFinished,
    RequestFinished,
    RequestForwarded,
    RetryRefused,
    ShadowAnswered,
    traced,
)
from talaria.domain.routing import METHODS

OTHER = "other"
_OUTCOMES_AT_MOST = 64
_CERTIFICATES = "certificate_expiry_timestamp_seconds"


def process_gauges(worker: str, process: ProcessGauges) -> dict[str, dict[Labels, float]]:
    """The gauges of this process, under its name."""
    return {name: {(worker,): value} for name, value in process.values().items() if name in FAMILIES.gauges}


_bucket_of = partial(bisect_left, BUCKETS)


def _observe(durations: Durations, seconds: float) -> int:
    """Add so many seconds; their bucket."""
    bucket = _bucket_of(seconds)
    durations[bucket] += 1
    durations[-1] += seconds
    return bucket


def _observe_all(durations: Durations, many: list[float]) -> None:
    """The same for many, which costs less for each."""
    for bucket in map(_bucket_of, many):
        durations[bucket] += 1
    durations[-1] += sum(many)


class Metrics:
    """Counts events. `handlers`: the event bus' handler for each kind of event.

    `tags`: the routes' tags; any other is counted as `other`. `identities`: how many exchange results are kept.
    `in_flight`: how many requests are under way. `lines`: the bytes of access lines that wait, and how many lines were
    lost. `states`: further gauges, by family. `failures`: origin and reason of each failure that there can be; it is
    counted from 0. `worker`: this one's number. `wall`: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        tags: Iterable[str],
        identities: Callable[[], int],
        in_flight: Callable[[], int],
        lines: Callable[[], tuple[int, int]] = lambda: (0, 0),
        states: Callable[[], Mapping[str, Mapping[Labels, float]]] = dict,
        failures: Collection[tuple[str, str]] = (),
        worker: int = 0,
        version: str,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._failures = failures
        self._outcomes: set[str] = set()
        self._measured = {"identity_cache_entries": identities, "requests_in_flight": in_flight}
        self._lines = lines
        self._states = states
        self._wall = wall
        self._worker = str(worker)
        self._process = ProcessGauges()
        self._certificates: Mapping[Labels, float] = {}
        self._tallies = no_tallies()
        self._gauges = self._tallies.gauges
        self._gauges["build_info"] = {(version, platform.python_version()): 1}
        self._gauges["workers"] = {(): 1}
        self._counters, self._durations = self._tallies.counters, self._tallies.durations
        self._exemplars = self._tallies.exemplars
        self.handlers: dict[type, Callable[[Any], None]] = {
            RequestFinished: self._request,
            ExchangeFinished: self._exchange,
            ShadowAnswered: self._shadow,
            Attempt: self._call,
            RequestForwarded: self._forwarded,
            RetryRefused: self._refused_retry,
        }
        self.before_reading: Callable[[], None] = lambda: None
        self.set_known_tags(tags)

    def set_known_tags(self, tags: Iterable[str]) -> None:
        """Count these tags by name from now on."""
        self._tags = frozenset(tags)
        for tag in (*self._tags, OTHER):
            for origin, reason in self._failures:
                self._counters["5xx"][tag, origin, reason] += 0

    def configured(
        self,
        digest: str,
        at: float,
        in_flight_limit: int = 0,
        identities_limit: int = 0,
        certificates: Mapping[Labels, float] | None = None,
    ) -> None:
        """This configuration is in force since `at`, in seconds since the epoch, with these limits of one worker.

        `certificates`: when each of ours ends, in seconds since the epoch, by its kind and the dependency.
        """
        self._certificates = certificates or {}
        self._gauges["config_hash"] = {(digest,): 1.0}
        self._gauges["requests_in_flight_limit"] = {(): in_flight_limit}
        self._gauges["identity_cache_limit"] = {(): identities_limit}
        self._gauges["config_last_reload_success_timestamp_seconds"] = {(): at}
        self._gauges["config_last_reload_success"] = {(): 1.0}

    def reload_failed(self) -> None:
        """What should have come in force can't."""
        self._gauges["config_last_reload_success"] = {(): 0.0}

    def tallies(self) -> Tallies:
        """Everything up to now, what `before_reading` brings too."""
        self.before_reading()
        for name, value in self._measured.items():
            self._gauges[name] = {(): value()}
        waiting, lost = self._lines()
        self._gauges["access_lines_waiting_bytes"] = {(): waiting}
        self._counters["access_lines_lost"] = {(): lost}
        self._gauges.update({name: dict(values) for name, values in self._states().items()})
        self._gauges[_CERTIFICATES] = {**self._gauges[_CERTIFICATES], **self._certificates}
        self._gauges.update(process_gauges(self._worker, self._process))
        return self._tallies

    def _request(self, event: RequestFinished) -> None:
        context = event.context
        tag = context.tag if context.tag in self._tags else OTHER
        method = event.method if event.method in METHODS else OTHER
        self._counters["requests"][tag, method, event.status, event.reason, event.origin, context.caller] += 1
        bucket = _observe(self._durations["request_duration"][(tag,)], event.seconds)
        trace = context.trace
        if context.trace_id and (trace is None or trace.sampled or event.status >= 500):  # else no span is exported
            self._exemplars[tag, bucket] = Exemplar(context.trace_id, event.seconds, self._wall())
        if event.status >= 500:
            self._counters["5xx"][tag, event.origin, event.reason] += 1
        elif len(context.attempts) > 1 or context.identity_refreshed or context.exchange == "stale":
            by = avoided_by(event)
            if by:
                self._counters["5xx_avoided"][tag, by] += 1

    def _forwarded(self, events: list[RequestForwarded]) -> None:
        alike: dict[tuple[tuple[str, ...], str, str, int, bool], list[RequestForwarded]] = {}
        last, those = None, []
        for event in events:
            key = event.labels[:4], event.address, event.method, event.status, event.edge
            if key != last:
                last, those = key, alike.setdefault(key, [])
            those.append(event)
        for ((tag, partner, upstream, caller), address, method, status, edge), those in alike.items():
            known = tag if tag in self._tags else OTHER
            self._counters["requests"][known, method, status, "", "" if edge else "upstream", caller] += len(those)
            self._counters["exchange"][partner, "hit"] += len(those)
            _observe_all(self._durations["request_duration"][(known,)], [event.seconds for event in those])
            if not edge:
                self._counters["dependency_requests"][upstream, "ok", address] += len(those)
                durations = self._durations["dependency_request_duration"][upstream, address]
                _observe_all(durations, [event.upstream_seconds for event in those])
            newest = {_bucket_of(event.seconds): event for event in traced(those)}
            for bucket, event in newest.items():
                self._exemplars[known, bucket] = Exemplar(event.trace_id, event.seconds, event.at)

    def _exchange(self, event: ExchangeFinished) -> None:
        self._counters["exchange"][event.partner, event.result] += 1

    def _shadow(self, event: ShadowAnswered) -> None:
        self._counters["shadow"][event.partner, event.adapter, event.result] += 1

    def _call(self, event: Attempt) -> None:
        outcome = event.outcome
        if outcome not in self._outcomes:
            if len(self._outcomes) < _OUTCOMES_AT_MOST:
                self._outcomes.add(outcome)
            else:
                outcome = OTHER
        self._counters["dependency_requests"][event.dependency, outcome, event.address] += 1
        _observe(self._durations["dependency_request_duration"][event.dependency, event.address], event.seconds)

    def _refused_retry(self, event: RetryRefused) -> None:
        self._counters["retries_refused"][(event.dependency,)] += 1


def avoided_by(event: RequestFinished) -> str | None:
    """What kept this answer from being a 5xx: stale, healed, coalesced, other-url or retry. None: it never was one."""
    context = event.context
    if event.status >= 499:
        return None
    if context.exchange == "stale":
        return "stale"
    if context.identity_refreshed:
        return "healed"
    failed = [attempt for attempt in context.attempts if is_failure(attempt.outcome)]
    if not failed:
        return None
    if context.exchange == "coalesced":
        return "coalesced"
    dependency = failed[-1].dependency
    addresses = {attempt.address for attempt in context.attempts if attempt.dependency == dependency}
    return "other-url" if len(addresses) > 1 else "retry"


def is_failure(outcome: str) -> bool:
    """A word such as "timeout", or a status that promises nothing good."""
    return outcome >= "500" or outcome == "429" if outcome.isdigit() else outcome != "ok"
