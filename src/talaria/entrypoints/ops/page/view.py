"""What stands on the page: the truth in a few words, and a row for each route, dependency, worker and certificate."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from talaria.adapters.telemetry.failure_log import FailureRecord
from talaria.adapters.telemetry.process_gauges import out_of_descriptors
from talaria.adapters.telemetry.tallies import Tallies
from talaria.entrypoints.ops.admin import Overview
from talaria.entrypoints.ops.figures import ALL, IDENTITIES, LOST_LINES, UNAUTHORIZED, Figures, Subject
from talaria.entrypoints.ops.page import words
from talaria.entrypoints.ops.readiness import Dependency, Readiness

SHOWN = 20
_NAMED = 2
_SOON = 14 * 86_400
_TONES = ("good", "warn", "bad")
_FAILING = ((0.05, "bad"), (0.01, "warn"))
"""The share of requests that end with a 5xx, and how bad that is."""
_CALLS_FAILING = 0.1
_LINES_WAITING = 128 * 1024
"""Bytes: about as much as is written at once waits now and then."""
_REFUSED = 0.3
_NOTHING = Figures()


class Truth(NamedTuple):
    """The largest words of the page, and how bad they are: "good", "warn" or "bad"."""

    text: str
    tone: str


class Row(NamedTuple):
    """A route or a dependency. `state` says how it is; `connections` only of a dependency."""

    name: str
    tone: str
    state: str
    figures: Figures
    connections: tuple[int, int, int] = (0, 0, 0)


class Worker(NamedTuple):
    """A process; times in seconds, memory in bytes."""

    number: int
    pid: int
    answers: bool
    uptime: float
    memory: float


class Certificate(NamedTuple):
    """`left`: seconds until its `end`, which is in seconds since the epoch."""

    kind: str
    dependency: str
    end: float
    left: float

    @property
    def tone(self) -> str:
        """How urgent it is."""
        return "bad" if self.left <= 0 else "warn" if self.left < _SOON else "good"


class Reason(NamedTuple):
    """Records of one reason and origin: how many `times`, and the newest."""

    reason: str
    origin: str
    times: int
    newest: FailureRecord


def truth(overview: Overview, figures: Mapping[Subject, Figures]) -> Truth:
    """Does it serve, what is wrong, and at which origin? `figures` are those of lately."""
    readiness = overview.readiness
    if not readiness.ready:
        return Truth("draining" if readiness.draining else "not ready", "warn" if readiness.draining else "bad")
    dependencies = list(_dependencies(readiness)) or _calls(readiness, figures)
    found = [*_silent(readiness), *_full(overview), *dependencies, *_share(figures), *_lines(overview, figures)]
    found += _reload(readiness)
    tone = max((tone for _, tone in found), key=_TONES.index, default="good")
    return Truth(", ".join(["serving", *(text for text, _ in found)]), tone)


def routes(overview: Overview, figures: Mapping[Subject, Figures]) -> list[Row]:
    """A row for each route: as well as the worst that it depends on."""
    rows = []
    for route in overview.readiness.routes:
        troubled = [one for one in route.dependencies if one.severity]
        tone = _TONES[max((one.severity for one in troubled), default=0)]
        state = ", ".join(f"{one.name} {one.state}" for one in troubled) or "well"
        rows.append(Row(route.tag, tone, state, figures.get(Subject("route", route.tag), _NOTHING)))
    return rows


def dependencies(overview: Overview, figures: Mapping[Subject, Figures]) -> list[Row]:
    """A row for each dependency of any route."""
    gauges = overview.tallies.gauges
    connections, waiters = gauges.get("connections", {}), gauges.get("connection_waiters", {})
    return [
        Row(
            one.name,
            _TONES[one.severity],
            state_of(one),
            figures.get(Subject("dependency", one.name), _NOTHING),
            (
                int(connections.get((one.name, "in_use"), 0)),
                int(connections.get((one.name, "idle"), 0)),
                int(waiters.get((one.name,), 0)),
            ),
        )
        for one in _each(overview.readiness)
    ]


def state_of(dependency: Dependency) -> str:
    """Such as "open in 1 of 2 workers since 21:30:05: connection refused; asked again in 4 s"."""
    text = dependency.state
    if dependency.of_workers > 1:
        text += f" in {dependency.affected_workers} of {dependency.of_workers} workers"
    if dependency.since:
        text += f" since {dependency.since}: {dependency.cause or 'no cause is known'}"
    if dependency.retry_in_seconds:
        text += f"; asked again in {max(1, dependency.retry_in_seconds):.0f} s"
    return text


def workers(overview: Overview, now: float) -> list[Worker]:
    """A row for each worker. `now`: seconds since the epoch."""
    gauges = overview.tallies.gauges
    began, memory = gauges.get("process_start_time_seconds", {}), gauges.get("process_resident_memory_bytes", {})
    ours = [(one, (str(one.worker),)) for one in overview.processes]
    return [Worker(one.worker, one.pid, one.answers, now - began.get(by, now), memory.get(by, 0.0)) for one, by in ours]


def replaced(tallies: Tallies) -> str:
    """How many workers ended and were replaced, such as "1 died, 2 hung"; empty where none was."""
    restarts = tallies.counters.get("worker_restarts", {})
    return ", ".join(f"{count} {how}" for (how,), count in sorted(restarts.items()))


def certificates(tallies: Tallies, now: float) -> list[Certificate]:
    """What ends first at the top. `now`: seconds since the epoch."""
    ends = tallies.gauges.get("certificate_expiry_timestamp_seconds", {})
    found = [Certificate(str(kind), str(dependency), end, end - now) for (kind, dependency), end in ends.items()]
    return sorted(found, key=lambda one: one.end)


def amounts(tallies: Tallies, figures: Mapping[Subject, Figures]) -> dict[str, Any]:
    """How full the gateway is, and how many exchanges the cache answers."""
    found: dict[str, Any] = {name: int(sum(tallies.gauges.get(name, {}).values())) for name in _AMOUNTS}
    now, limit = figures.get(IDENTITIES, _NOTHING), found["identity_cache_limit"]
    return found | {
        "fill": words.percent(found["identity_cache_entries"] / limit) if limit else "",
        "hits": words.percent(1 - now.share(now.failed_rate)) if now.rate else _hits(tallies),
        "lost": sum(tallies.counters.get("access_lines_lost", {}).values()),
    }


_AMOUNTS = (
    "identity_cache_entries",
    "identity_cache_limit",
    "requests_in_flight",
    "requests_in_flight_limit",
    "access_lines_waiting_bytes",
)


def _hits(tallies: Tallies) -> str:
    """Since the start: there were no exchanges just now."""
    exchanges = tallies.counters.get("exchange", {})
    hits = sum(count for (_, result), count in exchanges.items() if result == "hit")
    return f"in all {words.percent(hits / sum(exchanges.values()))}" if exchanges else ""


def by_reason(records: Sequence[FailureRecord]) -> list[Reason]:
    """The most frequent first. `records`: newest first."""
    counts = Counter((record.reason or str(record.status), record.origin) for record in records)
    newest = {(record.reason or str(record.status), record.origin): record for record in reversed(records)}
    return [Reason(*kind, count, newest[kind]) for kind, count in counts.most_common()]


def _each(readiness: Readiness) -> Iterable[Dependency]:
    """Each once, in the order in which requests need them."""
    return {one.name: one for route in readiness.routes for one in route.dependencies}.values()


def _silent(readiness: Readiness) -> Iterable[tuple[str, str]]:
    if readiness.answered < readiness.workers:
        yield f"{readiness.workers - readiness.answered} of {readiness.workers} workers silent", "bad"


def _full(overview: Overview) -> Iterable[tuple[str, str]]:
    gauges = overview.tallies.gauges
    for process in gauges.get("process_max_fds", {}):
        if out_of_descriptors({name: values[process] for name, values in gauges.items() if process in values}):
            yield f"no descriptors left in worker {process[0]}", "bad"


def _calls(readiness: Readiness, figures: Mapping[Subject, Figures]) -> Iterable[tuple[str, str]]:
    """What retries and other urls still mend."""
    for one in _each(readiness):
        calls = figures.get(Subject("dependency", one.name), _NOTHING)
        if (failing := calls.share(calls.failed_rate)) >= _CALLS_FAILING:
            yield f"{words.percent(failing)} of calls to {one.name} fail", "warn"


def _dependencies(readiness: Readiness) -> Iterable[tuple[str, str]]:
    troubled = [one for one in _each(readiness) if one.severity]
    if troubled:
        tone = _TONES[max(one.severity for one in troubled)]
        names = " and ".join(one.name for one in troubled)
        yield f"{names if len(troubled) <= _NAMED else f'{len(troubled)} dependencies'} failing", tone


def _share(figures: Mapping[Subject, Figures]) -> Iterable[tuple[str, str]]:
    requests = figures.get(ALL, _NOTHING)
    failing, refused = requests.share(requests.failed_rate), requests.share(requests.refused_rate)
    if tone := next((tone for least, tone in _FAILING if failing >= least), ""):
        yield f"{words.percent(failing)} of requests fail (by {_most(figures, 'origin')})", tone
    if refused >= _REFUSED:
        yield f"{words.percent(refused)} of requests refused ({_most(figures, 'refusal')})", "warn"
    if (unauthorized := requests.share(figures.get(UNAUTHORIZED, _NOTHING).rate)) >= _REFUSED:
        yield f"{words.percent(unauthorized)} of requests answered 401 by the upstream", "warn"


def _most(figures: Mapping[Subject, Figures], kind: str) -> str:
    """The most frequent one of this kind."""
    rates = {subject.name: one.rate for subject, one in figures.items() if subject.kind == kind}
    return max(rates, key=lambda name: rates[name], default="")


def _lines(overview: Overview, figures: Mapping[Subject, Figures]) -> Iterable[tuple[str, str]]:
    if figures.get(LOST_LINES, _NOTHING).rate:
        yield "access lines are lost", "bad"
    elif sum(overview.tallies.gauges.get("access_lines_waiting_bytes", {}).values()) > _LINES_WAITING:
        yield "access lines wait", "warn"


def _reload(readiness: Readiness) -> Iterable[tuple[str, str]]:
    if readiness.configuration is not None and not readiness.configuration.last_reload_ok:
        yield "last reload refused", "warn"
