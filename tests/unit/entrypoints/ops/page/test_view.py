"""What stands on the page: the truth in a few words, and the rows."""

import pytest
from msgspec.structs import replace

from talaria.adapters.telemetry.failure_log import FailureRecords
from talaria.adapters.telemetry.tallies import Tallies
from talaria.entrypoints.ops.admin import Overview, Process
from talaria.entrypoints.ops.figures import ALL, IDENTITIES, LOST_LINES, UNAUTHORIZED, Figures, Subject
from talaria.entrypoints.ops.page import view
from talaria.entrypoints.ops.readiness import Configured, Dependency, Readiness, RouteReadiness
from tests.unit.entrypoints.ops.support_ops import failure_record

WELL = (Dependency("personal", "ok"), Dependency("wind", "not asked yet"))
FAILING = Dependency("personal", "failing", "2026-11-18T12:00:00Z", "timeout")
OPEN = Dependency("wind", "open", "2026-11-18T12:00:00Z", "connection refused", 4.4, 1, 2)


def overview(
    *dependencies: Dependency, ready: bool = True, draining: bool = False, answered: int = 2, reloaded: bool = True
) -> Overview:
    """Of two routes with the same dependencies, and two workers."""
    routes = [RouteReadiness(tag, list(dependencies or WELL)) for tag in ("wind", "train")]
    configuration = Configured("aaaa", "2026-11-18T11:00:00Z", reloaded)
    processes = [Process(number, 100 + number, number < answered) for number in range(2)]
    readiness = Readiness(ready, draining, routes, configuration, 2, answered)
    return Overview(readiness, Tallies(), processes, FailureRecords(), [])


@pytest.mark.parametrize(
    ("seen", "figures", "text", "tone"),
    [
        (overview(), Figures(), "serving", "good"),
        (overview(ready=False, draining=True), Figures(), "draining", "warn"),
        (overview(ready=False), Figures(), "not ready", "bad"),
        (overview(FAILING), Figures(), "serving, personal failing", "warn"),
        (overview(FAILING, OPEN), Figures(), "serving, personal and wind failing", "bad"),
        (
            overview(FAILING, OPEN, Dependency("caller-keys:app", "unavailable")),
            Figures(),
            "serving, 3 dependencies failing",
            "bad",
        ),
        (overview(answered=1), Figures(), "serving, 1 of 2 workers silent", "bad"),
        (overview(reloaded=False), Figures(), "serving, last reload refused", "warn"),
        (overview(), Figures(100.0, 0.9), "serving", "good"),
        (overview(), Figures(100.0, 2.0), "serving, 2 % of requests fail (by partner)", "warn"),
        (overview(), Figures(100.0, 12.0), "serving, 12 % of requests fail (by partner)", "bad"),
        (overview(), Figures(100.0, 0.0, 80.0), "serving, 80 % of requests refused (rate-limited)", "warn"),
    ],
)
def test_the_largest_words_are_the_truth(seen: Overview, figures: Figures, text: str, tone: str) -> None:
    by = {Subject("origin", "partner"): Figures(2.0, 2.0), Subject("refusal", "rate-limited"): Figures(80.0)}
    assert view.truth(seen, {ALL: figures, **by}) == (text, tone)


def test_the_largest_words_name_the_origin_of_most_failures() -> None:
    figures = {
        ALL: Figures(10.0, 5.0),
        Subject("origin", "personal"): Figures(1.0, 1.0),
        Subject("origin", "upstream"): Figures(4.0, 4.0),
        Subject("origin", "gateway"): Figures(),
    }
    assert view.truth(overview(), figures).text == "serving, 50 % of requests fail (by upstream)"


def test_calls_that_fail_are_said_where_the_dependency_is_not_in_trouble() -> None:
    figures = {Subject("dependency", "personal"): Figures(10.0, 3.0), Subject("dependency", "wind"): Figures(9.0, 0.5)}
    assert view.truth(overview(), figures) == ("serving, 30 % of calls to personal fail", "warn")
    assert view.truth(overview(FAILING), figures).text == "serving, personal failing"


def test_an_upstream_that_refuses_our_token_is_said() -> None:
    figures = {ALL: Figures(10.0), UNAUTHORIZED: Figures(9.0)}
    assert view.truth(overview(), figures) == ("serving, 90 % of requests answered 401 by the upstream", "warn")
    assert view.truth(overview(), {ALL: Figures(10.0), UNAUTHORIZED: Figures(1.0)}).text == "serving"


def test_lines_that_are_lost_or_wait_are_said() -> None:
    waiting = replace(overview(), tallies=Tallies(gauges={"access_lines_waiting_bytes": {(): 200_000.0}}))
    assert view.truth(waiting, {}) == ("serving, access lines wait", "warn")
    assert view.truth(waiting, {LOST_LINES: Figures(0.1, 0.1)}) == ("serving, access lines are lost", "bad")


def test_a_worker_without_descriptors_is_named() -> None:
    gauges = {
        "process_open_fds": {("0",): 50.0, ("1",): 63.0, ("operators",): 9.0},
        "process_max_fds": {("0",): 64.0, ("1",): 64.0, ("operators",): 64.0},
    }
    seen = replace(overview(), tallies=Tallies(gauges=gauges))  # type: ignore[arg-type]
    assert view.truth(seen, {}) == ("serving, no descriptors left in worker 1", "bad")


def test_a_route_is_as_well_as_the_worst_that_it_depends_on() -> None:
    figures = Figures(3.0)
    wind, train = view.routes(overview(FAILING, OPEN), {Subject("route", "wind"): figures})
    assert (wind.tone, wind.state, wind.figures) == ("bad", "personal failing, wind open", figures)
    assert (train.name, train.figures) == ("train", Figures())
    assert view.routes(overview(), {})[0][1:3] == ("good", "well")


def test_a_dependency_of_several_routes_has_one_row_with_its_connections() -> None:
    gauges = {
        "connections": {("wind", "in_use"): 3.0, ("wind", "idle"): 2.0},
        "connection_waiters": {("wind",): 1.0},
    }
    seen = replace(overview(FAILING, OPEN), tallies=Tallies(gauges=gauges))  # type: ignore[arg-type]
    personal, wind = view.dependencies(seen, {})
    assert personal.state == "failing since 2026-11-18T12:00:00Z: timeout"
    assert personal.connections == (0, 0, 0)
    assert wind.state == ("open in 1 of 2 workers since 2026-11-18T12:00:00Z: connection refused; asked again in 4 s")
    assert (wind.tone, wind.connections) == ("bad", (3, 2, 1))


def test_each_worker_says_whether_it_answers_and_since_when_it_runs() -> None:
    gauges = {"process_start_time_seconds": {("0",): 900.0}, "process_resident_memory_bytes": {("0",): 5e7}}
    seen = replace(overview(answered=1), tallies=Tallies(gauges=gauges))  # type: ignore[arg-type]
    assert view.workers(seen, 1000.0) == [(0, 100, True, 100.0, 5e7), (1, 101, False, 0.0, 0.0)]


def test_workers_that_were_replaced_are_counted_by_how_they_ended() -> None:
    assert view.replaced(Tallies(counters={"worker_restarts": {("hung",): 2, ("died",): 1}})) == "1 died, 2 hung"
    assert view.replaced(Tallies()) == ""


def test_the_certificate_that_ends_first_stands_first() -> None:
    day = 86_400
    ends = {("listener", ""): 100.0 * day, ("server", "wind"): 10.0 * day, ("client", "wind"): -1.0}
    found = view.certificates(Tallies(gauges={"certificate_expiry_timestamp_seconds": ends}), 0.0)  # type: ignore[dict-item]
    assert [(one.kind, one.tone) for one in found] == [("client", "bad"), ("server", "warn"), ("listener", "good")]


def test_amounts_are_said_with_their_limits() -> None:
    gauges = {"identity_cache_entries": {(): 5.0}, "identity_cache_limit": {(): 20.0}}
    tallies = Tallies(counters={"access_lines_lost": {(): 3}}, gauges=gauges)  # type: ignore[arg-type]
    found = view.amounts(tallies, {IDENTITIES: Figures(10.0, 1.0)})
    assert (found["fill"], found["hits"], found["lost"]) == ("25 %", "90 %", 3)
    assert (found["identity_cache_entries"], found["requests_in_flight"]) == (5, 0)
    assert view.amounts(Tallies(), {})["hits"] == ""
    before = Tallies(counters={"exchange": {("wind", "hit"): 3, ("wind", "miss"): 1}})
    assert view.amounts(before, {})["hits"] == "in all 75 %"


def test_records_are_summed_up_by_reason_the_most_frequent_first() -> None:
    slow = replace(failure_record("slow"), reason="partner-timeout")
    own = replace(failure_record("own"), reason="", origin="upstream", status=500)
    records = [own, failure_record("new"), slow, failure_record("old")]
    assert [(one.reason, one.origin, one.times, one.newest.request_id) for one in view.by_reason(records)] == [
        ("partner-unreachable", "partner", 2, "new"),
        ("500", "upstream", 1, "own"),
        ("partner-timeout", "partner", 1, "slow"),
    ]
