"""Proxies side by side: loaded in turn, round after round, and each set against nginx in the same round.

The machine is noisy and shared, and the noise lasts longer than a round: so only the ratio within a round is worth
something, and of the ratios the median with the least and the most.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from bench import load
from bench.peers import Peer
from bench.table import Table

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one proxy; `cpu` in microseconds for a request."""

    cpu: float
    rate: float
    p50: float
    p99: float


@dataclass(slots=True)
class Series:
    """All rounds of one proxy."""

    peer: Peer
    samples: list[Sample] = field(default_factory=list)
    failure: str = ""

    def median(self, name: str) -> float:
        """The median of one of the sample's values."""
        return float(median(getattr(sample, name) for sample in self.samples))

    def ratios(self, other: "Series") -> list[float]:
        """CPU for a request beside the other's in the same round."""
        return [mine.cpu / its.cpu for mine, its in zip(self.samples, other.samples, strict=False)]


def measure(
    peer: Peer, seconds: float, connections: int | None = None, path: str = "/", **options: load.Option
) -> Sample:
    """One run. Raises LoadFailed."""
    if peer.tokens:
        options.setdefault("tokens", peer.tokens)
    before = peer.program.cpu()
    run = load.run(peer.url + path, seconds, connections or peer.connections, options)
    spent = peer.program.cpu() - before
    return Sample(spent * 1e6 / run.requests, run.rate, run.p50, run.p99)


def interleaved(peers: Iterable[Peer], rounds: int, seconds: float, progress: Progress) -> list[Series]:
    """So many rounds, each proxy once in each. One that fails is left out from then on, with the reason."""
    series = [Series(peer) for peer in peers]
    for each in series:
        _warm(each)
    for number in range(rounds):
        for each in series:
            if each.failure:
                continue
            progress(f"round {number + 1} of {rounds}: {each.peer.name}")
            try:
                each.samples.append(measure(each.peer, seconds))
            except load.LoadFailed as error:
                each.failure = str(error)
    return series


def _warm(series: Series) -> None:
    """One unmeasured second, so that every person is cached and every connection is open."""
    try:
        measure(series.peer, 1)
    except load.LoadFailed as error:
        series.failure = str(error)


def compared(series: list[Series], reference: str = "nginx") -> tuple[Table, list[dict[str, object]]]:
    """The table, and the same with every round for the file."""
    base = next(each for each in series if each.peer.name == reference)
    table = Table(
        "CPU for a request beside nginx's plain forwarding in the same round",
        ["proxy", "does", "times nginx", "least", "most", "us CPU", "requests/s", "p50 ms", "p99 ms"],
    )
    record: list[dict[str, object]] = []
    for each in sorted((one for one in series if one.samples), key=lambda one: median(one.ratios(base))):
        ratios = each.ratios(base)
        spread = (median(ratios), min(ratios), max(ratios))
        timing = [each.median(name) for name in ("cpu", "rate", "p50", "p99")]
        table.add(each.peer.name, each.peer.does, *spread, *timing)
        record.append({"proxy": each.peer.name, "ratios": ratios, "rounds": [_values(s) for s in each.samples]})
    table.notes += [f"{each.peer.name} failed: {each.failure}" for each in series if each.failure]
    return table, record


def _values(sample: Sample) -> dict[str, float]:
    return {name: getattr(sample, name) for name in ("cpu", "rate", "p50", "p99")}
