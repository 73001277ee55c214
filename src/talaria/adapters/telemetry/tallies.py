"""What is counted, by its name: the families, and the tallies of a process, which can be sent and summed."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Literal, NamedTuple

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


class Family(msgspec.Struct, frozen=True):
    """The help text, the labels, and, of a gauge, what several workers' values are together."""

    text: str
    labels: tuple[str, ...] = ()
    combine: Literal["sum", "min", "max"] = "sum"


class Families(msgspec.Struct, frozen=True):
    """Every family, by its name."""

    counters: dict[str, Family]
    durations: dict[str, Family]
    gauges: dict[str, Family]


FAMILIES = msgspec.toml.decode(files(__package__).joinpath("families.toml").read_bytes(), type=Families)
WITH_EXEMPLARS = "request_duration"
CPU = "process_cpu_seconds"
"""A counter that goes with its process, as the gauges do."""

_COMBINED: dict[str, Callable[[list[float]], float]] = {"sum": sum, "min": min, "max": max}


def no_tallies() -> Tallies:
    """Every family, and nothing in it: labels that were not seen before count from zero."""
    return Tallies(
        {name: defaultdict(int) for name in FAMILIES.counters},
        {name: defaultdict(lambda: [0.0] * (len(BUCKETS) + 2)) for name in FAMILIES.durations},
        {name: {} for name in FAMILIES.gauges},
    )


def summed(processes: Iterable[Tallies]) -> Tallies:
    """The tallies of several processes as one."""
    together = no_tallies()
    gauges: dict[str, dict[Labels, list[float]]] = {name: {} for name in FAMILIES.gauges}
    for process in processes:
        for name, counts in process.counters.items():
            for labels, count in counts.items():
                together.counters[name][labels] += count
        for name, durations in process.durations.items():
            for labels, observed in durations.items():
                before = together.durations[name][labels]
                together.durations[name][labels] = [sum(pair) for pair in zip(before, observed, strict=True)]
        for name, values in process.gauges.items():
            for labels, value in values.items():
                gauges[name].setdefault(labels, []).append(value)
        _add_exemplars(together.exemplars, process.exemplars)
    for name, by_labels in gauges.items():
        combined = _COMBINED[FAMILIES.gauges[name].combine]
        together.gauges[name] = {labels: combined(values) for labels, values in by_labels.items()}
    return together


def _add_exemplars(to: dict[tuple[str, int], Exemplar], more: dict[tuple[str, int], Exemplar]) -> None:
    """The newest of each bucket."""
    for bucket, exemplar in more.items():
        if bucket not in to or to[bucket].at < exemplar.at:
            to[bucket] = exemplar
