"""How Prometheus reads the tallies: as its text, or as OpenMetrics, with a trace for the time that requests took."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.core import Exemplar as ShownExemplar
from prometheus_client.exposition import choose_encoder

from talaria.adapters.telemetry.tallies import (
    BUCKETS,
    CPU,
    FAMILIES,
    WITH_EXEMPLARS,
    Durations,
    Exemplar,
    Labels,
    Tallies,
)

_BOUNDS = (*map(str, BUCKETS), "+Inf")
_UNSAID_WHERE_EMPTY = frozenset({"caller", "url", "dependency"})
"""Labels, each the last of its family, that most of its series do without."""


def render(tallies: Tallies, accept: str) -> tuple[bytes, str]:
    """The metrics in the form that this `accept` header asks for, and their content type. One that is malformed asks
    for none.
    """
    registry = CollectorRegistry()
    registry.register(_Collector(tallies))
    try:
        encode, content_type = choose_encoder(accept if accept.isascii() else "")
    except TypeError:  # a version without a number
        encode, content_type = choose_encoder("")
    return encode(registry), content_type


@dataclass(frozen=True, eq=False)
class _Collector:
    """prometheus_client's collector of these tallies."""

    tallies: Tallies

    def collect(self) -> Iterator[Metric]:
        for name, family in FAMILIES.counters.items():
            counter = CounterMetricFamily(f"talaria_{name}", family.text, labels=family.labels)
            for labels, count in self.tallies.counters[name].items():
                counter.add_metric(_texts(family.labels, labels), count)
            yield counter
        for name, family in FAMILIES.durations.items():
            exemplars = self.tallies.exemplars if name == WITH_EXEMPLARS else {}
            histogram = HistogramMetricFamily(f"talaria_{name}_seconds", family.text, labels=family.labels)
            for labels, observed in self.tallies.durations[name].items():
                buckets = _buckets(observed, _shown(exemplars, labels[0]))
                histogram.add_metric(_texts(family.labels, labels), buckets, observed[-1])
            yield histogram
        for name, family in FAMILIES.gauges.items():
            kind = CounterMetricFamily if name == CPU else GaugeMetricFamily
            full_name = name if name.startswith("process_") else f"talaria_{name}"
            gauge = kind(full_name, family.text, labels=family.labels)
            for labels, value in self.tallies.gauges[name].items():
                gauge.add_metric(_texts(family.labels, labels), value)
            yield gauge


def _texts(names: tuple[str, ...], labels: Labels) -> list[str]:
    """The labels' values. The last one is left out where it is empty and one of `_UNSAID_WHERE_EMPTY`."""
    texts = [str(label) for label in labels]
    return texts[:-1] if texts and not texts[-1] and names[-1] in _UNSAID_WHERE_EMPTY else texts


def _buckets(
    observed: Durations, exemplars: Mapping[int, ShownExemplar]
) -> list[tuple[str, float] | tuple[str, float, ShownExemplar]]:
    """Upper bound and cumulative count of each, and its exemplar where there is one."""
    counted = zip(_BOUNDS, accumulate(observed[:-1]), strict=True)
    return [
        (bound, count, exemplars[place]) if place in exemplars else (bound, count)
        for place, (bound, count) in enumerate(counted)
    ]


def _shown(exemplars: Mapping[tuple[str, int], Exemplar], tag: str | int) -> dict[int, ShownExemplar]:
    """Those of this tag, by bucket."""
    found = {bucket: exemplar for (of, bucket), exemplar in exemplars.items() if of == tag}
    return {bucket: ShownExemplar({"trace_id": one.trace_id}, one.seconds, one.at) for bucket, one in found.items()}
