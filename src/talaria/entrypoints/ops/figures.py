"""How much, how fast and how well, just now and over the last quarter of an hour: rates and times out of the tallies.

Every five seconds a sample is taken. Figures of now are those of the last ten to fifteen seconds, of lately those of
the last five to ten; the points of a curve are the rates between samples. All of it is in memory and bounded.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import NamedTuple

from talaria.adapters.telemetry.metrics import is_failure
from talaria.adapters.telemetry.tallies import BUCKETS, Durations, Tallies

SAMPLE_SECONDS = 5.0
POINTS = 180
_SAMPLES_BACK = 3
LATELY = 2
"""Samples back, for what has to show soon that it is over."""
_NO_DURATIONS: Durations = [0.0] * (len(BUCKETS) + 2)


class Subject(NamedTuple):
    """What is counted: a route, a dependency (with an upstream's url), failures by origin, refusals by reason."""

    kind: str
    name: str


ALL = Subject("gateway", "")
IDENTITIES = Subject("identities", "")
LOST_LINES = Subject("lines", "lost")
UNAUTHORIZED = Subject("upstream", "401")
"""Upstreams' own answers of 401: they may refuse our service token."""


class Counts(NamedTuple):
    """Since the start. `failed`: answers of 500 and above, or calls that failed; `refused`: our own answers of 4xx.

    Of identities, all exchanges and, as `failed`, those that the cache did not answer.
    """

    all: int = 0
    failed: int = 0
    refused: int = 0
    durations: Durations = _NO_DURATIONS


class Figures(NamedTuple):
    """Now: counts a second; the share that failed or was refused; durations in seconds, None where none was seen.

    `curve`: all and failed a second, the oldest point first.
    """

    rate: float = 0.0
    failed_rate: float = 0.0
    refused_rate: float = 0.0
    p50: float | None = None
    p99: float | None = None
    curve: tuple[tuple[float, float], ...] = ()

    def share(self, rate: float) -> float:
        """How much of all this rate is."""
        return rate / self.rate if self.rate else 0.0


class History:
    """Samples, and what follows from them. `now`: monotonic seconds."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._samples: deque[tuple[float, Mapping[Subject, Counts]]] = deque(maxlen=_SAMPLES_BACK)
        self._curves: dict[Subject, deque[tuple[float, float]]] = {}

    def add(self, tallies: Tallies) -> None:
        """Take a sample."""
        now, counts = self._now(), counts_of(tallies)
        if self._samples:
            at, before = self._samples[-1]
            for subject, counted in counts.items():
                found = _figures(before.get(subject, Counts()), counted, now - at)
                curve = self._curves.setdefault(subject, deque(maxlen=POINTS))
                curve.append((found.rate, found.failed_rate))
        self._samples.append((now, counts))

    def figures(self, tallies: Tallies, back: int = _SAMPLES_BACK) -> dict[Subject, Figures]:
        """Those of now, since so many samples `back`."""
        if not self._samples:
            return {}
        at, before = self._samples[-min(back, len(self._samples))]
        seconds = self._now() - at
        return {
            subject: _figures(before.get(subject, Counts()), counted, seconds)._replace(
                curve=tuple(self._curves.get(subject, ()))
            )
            for subject, counted in counts_of(tallies).items()
        }


def counts_of(tallies: Tallies) -> dict[Subject, Counts]:
    """What each subject counts, in plain numbers of its own."""
    found: dict[Subject, list[int]] = {}
    for (tag, _, status, reason, *_), count in tallies.counters.get("requests", {}).items():
        failed, refused = int(status) >= 500, 400 <= int(status) < 499 and reason != ""
        for subject in (Subject("route", str(tag)), ALL):
            _add(found, subject, count, failed, refused)
        if refused:
            _add(found, Subject("refusal", str(reason)), count, False, True)
        if int(status) == 401 and not reason:
            _add(found, UNAUTHORIZED, count, False, False)
    for (_, origin, _), count in tallies.counters.get("5xx", {}).items():
        _add(found, Subject("origin", str(origin)), count, True, False)
    for (dependency, outcome, url), count in tallies.counters.get("dependency_requests", {}).items():
        refused_us = outcome == "401" and not url  # of an upstream it is a client's
        _add(found, _dependency(dependency, url), count, is_failure(str(outcome)) or refused_us, False)
    for (_, result), count in tallies.counters.get("exchange", {}).items():
        _add(found, IDENTITIES, count, result != "hit", False)
    for lost in tallies.counters.get("access_lines_lost", {}).values():
        _add(found, LOST_LINES, lost, True, False)
    durations = dict(_durations_of(tallies))
    return {
        subject: Counts(all_, failed, refused, durations.get(subject, _NO_DURATIONS))
        for subject, (all_, failed, refused) in found.items()
    }


def quantile(share: float, buckets: Iterable[float]) -> float | None:
    """By linear interpolation within a bucket; what is over the last bound is that bound."""
    counts = list(buckets)
    wanted, before, lower = share * sum(counts), 0.0, 0.0
    for count, upper in zip(counts, (*BUCKETS, BUCKETS[-1]), strict=True):
        if count and before + count >= wanted:
            return lower + (upper - lower) * (wanted - before) / count
        before, lower = before + count, upper
    return None


def _add(found: dict[Subject, list[int]], subject: Subject, count: int, failed: bool, refused: bool) -> None:
    three = found.setdefault(subject, [0, 0, 0])
    three[0] += count
    three[1] += count * failed
    three[2] += count * refused


def _durations_of(tallies: Tallies) -> Iterable[tuple[Subject, Durations]]:
    requests = tallies.durations.get("request_duration", {})
    for (tag,), observed in requests.items():
        yield Subject("route", str(tag)), list(observed)
    if requests:
        yield ALL, [sum(column) for column in zip(*requests.values(), strict=True)]
    for (dependency, url), observed in tallies.durations.get("dependency_request_duration", {}).items():
        yield _dependency(dependency, url), list(observed)


def _dependency(name: str | int, url: str | int) -> Subject:
    return Subject("dependency", f"{name} {url}" if url else str(name))


def _figures(before: Counts, now: Counts, seconds: float) -> Figures:
    """Between two moments. Counts that went back began anew."""
    if seconds <= 0 or now.all < before.all:
        return Figures()
    seen = [after - earlier for after, earlier in zip(now.durations[:-1], before.durations[:-1], strict=True)]
    return Figures(
        (now.all - before.all) / seconds,
        (now.failed - before.failed) / seconds,
        (now.refused - before.refused) / seconds,
        quantile(0.5, seen),
        quantile(0.99, seen),
    )
