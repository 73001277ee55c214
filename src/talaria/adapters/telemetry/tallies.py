"""What is counted, by its name: the families, and the tallies of a process, which can be sent and summed."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds in seconds."""

Labels = tuple[str | int, ...]
"""The values of a family's labels, in its order."""

Durations = list[float]
"""Observed seconds: how many fell into each bucket, the last one being without bound; and behind them the sum."""


class Exemplar(NamedTuple):
    """A request that stands for those of its bucket; `at` in seconds since the epoch."""

    trace_id: str
    seconds: float
    at: float


class Tallies(msgspec.Struct):
    """All that one process has counted, by the family's name; and its gauges, which go with the process.

    `exemplars` of the requests' durations, by tag and bucket.
    """

    counters: dict[str, dict[Labels, int]] = {}
    durations: dict[str, dict[Labels, Durations]] = {}
    gauges: dict[str, dict[Labels, float]] = {}
    exemplars: dict[tuple[str, int], Exemplar] = {}


class Family(NamedTuple):
    """The help text, the labels, and, of a gauge, what several workers' values are together."""

    text: str
    labels: tuple[str, ...] = ()
    combine: Callable[[list[float]], float] = sum


COUNTERS = {
    "requests": Family("Requests answered.", ("tag", "method", "status", "reason", "origin", "caller")),
    "exchange": Family("Exchanges of an id for a user id.", ("partner", "result")),
    "shadow": Family("Answers of a shadow adapter, compared.", ("partner", "adapter", "result")),
    "dependency_requests": Family("Attempts at dependencies.", ("dependency", "outcome", "url")),
    "retries_refused": Family("Retries that the budget did not allow.", ("dependency",)),
    "5xx": Family("Answers of 500 and above.", ("tag", "origin", "reason")),
    "5xx_avoided": Family("Answers that would have been 5xx.", ("tag", "by")),
    "access_lines_lost": Family("Access lines that were not written."),
    "worker_restarts": Family("Processes of several that ended, and were replaced.", ("how",)),
}
DURATIONS = {
    "request_duration": Family("From the head to the end of the answer.", ("tag",)),
    "dependency_request_duration": Family("One attempt.", ("dependency", "url")),
}
WITH_EXEMPLARS = "request_duration"
CPU = "process_cpu_seconds"
"""A counter that goes with its process, as the gauges do."""

GAUGES = {
    "identity_cache_entries": Family("Exchange results kept."),
    "identity_cache_limit": Family("How many are kept at most, by all workers."),
    "requests_in_flight": Family("Requests under way."),
    "requests_in_flight_limit": Family("How many may be, in all workers."),
    "workers": Family("Processes that serve clients."),
    "dependency_state": Family("0: well. 1: failing. 2: not asked any more.", ("dependency",), max),
    "circuit_state": Family("0: closed. 1: half-open. 2: open.", ("dependency",), max),
    "connections": Family("Connections to a dependency: in use, or idle.", ("dependency", "state")),
    "connection_waiters": Family("Requests that wait for a connection.", ("dependency",)),
    "key_set_age_seconds": Family("Since a caller's key set was fetched.", ("dependency",), max),
    "key_set_keys": Family("Usable keys of a caller's key set.", ("dependency",), min),
    "certificate_expiry_timestamp_seconds": Family(
        "When a certificate ends: the listener's, ours as a client, a server's as it was shown last.",
        ("kind", "dependency"),
        min,
    ),
    "access_lines_waiting_bytes": Family("Access lines that their reader has not taken."),
    "build_info": Family("Always 1.", ("version", "python"), max),
    "config_last_reload_success": Family("1: the last reload was taken.", combine=min),
    "config_last_reload_success_timestamp_seconds": Family("When the configuration in force was taken.", combine=min),
    "config_hash": Family("1: in force.", ("hash",), max),
    CPU: Family("Time of the processor, user's and system's.", ("worker",)),
    "process_resident_memory_bytes": Family("Resident memory.", ("worker",)),
    "process_virtual_memory_bytes": Family("Virtual memory.", ("worker",)),
    "process_open_fds": Family("Open descriptors.", ("worker",)),
    "process_max_fds": Family("How many may be open.", ("worker",)),
    "process_start_time_seconds": Family("When it began, since the epoch.", ("worker",)),
}


def no_tallies() -> Tallies:
    """Every family, and nothing in it."""
    return Tallies({name: {} for name in COUNTERS}, {name: {} for name in DURATIONS}, {name: {} for name in GAUGES}, {})


def summed(processes: Iterable[Tallies]) -> Tallies:
    """The tallies of several processes as one."""
    together = no_tallies()
    gauges: dict[str, dict[Labels, list[float]]] = {name: {} for name in GAUGES}
    for process in processes:
        for name, counts in process.counters.items():
            sums = together.counters[name]
            for labels, count in counts.items():
                sums[labels] = sums.get(labels, 0) + count
        for name, durations in process.durations.items():
            for labels, observed in durations.items():
                before = together.durations[name].get(labels, [0.0] * len(observed))
                together.durations[name][labels] = [sum(pair) for pair in zip(before, observed, strict=True)]
        for name, values in process.gauges.items():
            for labels, value in values.items():
                gauges[name].setdefault(labels, []).append(value)
        _add_exemplars(together.exemplars, process.exemplars)
    for name, by_labels in gauges.items():
        together.gauges[name] = {labels: GAUGES[name].combine(values) for labels, values in by_labels.items()}
    return together


def _add_exemplars(to: dict[tuple[str, int], Exemplar], more: dict[tuple[str, int], Exemplar]) -> None:
    """The newest of each bucket."""
    for bucket, exemplar in more.items():
        if bucket not in to or to[bucket].at < exemplar.at:
            to[bucket] = exemplar
