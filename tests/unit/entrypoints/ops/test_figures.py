"""Rates and times out of two moments of the tallies."""

import pytest

from talaria.adapters.telemetry.tallies import BUCKETS, Tallies
from talaria.domain.events import Attempt, ExchangeFinished
from talaria.entrypoints.ops.figures import (
    ALL,
    IDENTITIES,
    LATELY,
    POINTS,
    UNAUTHORIZED,
    Counts,
    Figures,
    History,
    Subject,
    counts_of,
    quantile,
)
from talaria.testing import MemoryClock
from tests.unit.adapters.telemetry.support_metrics import count, ended, metrics

WIND = Subject("route", "wind")


def counted(good: int = 0, failed: int = 0, refused: int = 0) -> Tallies:
    """After so many requests of the route wind."""
    one = metrics()
    for _ in range(good):
        count(one, ended(seconds=0.004))
    for _ in range(failed):
        count(one, ended(502, reason="partner-unreachable", origin="partner", seconds=0.4))
    for _ in range(refused):
        count(one, ended(401, reason="invalid-token", origin="client"))
    return one.tallies()


def test_requests_are_counted_by_route_and_altogether() -> None:
    found = counts_of(counted(good=3, failed=2, refused=1))
    assert found[WIND][:3] == found[ALL][:3] == (6, 2, 1)
    assert found[ALL].durations == found[WIND].durations


def test_an_answer_of_the_upstream_s_own_is_no_refusal_and_a_client_that_left_neither() -> None:
    one = metrics()
    count(one, ended(401, origin="upstream"))
    count(one, ended(499, reason="client-gone", origin="client"))
    found = counts_of(one.tallies())
    assert found[WIND][:3] == (2, 0, 0)
    assert found[UNAUTHORIZED].all == 1
    assert UNAUTHORIZED not in counts_of(counted(refused=1))


def test_calls_are_counted_by_dependency_and_url() -> None:
    one = metrics()
    for dependency, outcome, url in (
        ("personal", "503", ""),
        ("personal", "404", ""),
        ("wind", "401", ""),
        ("services", "401", "http://c"),
        ("services", "ok", "http://a"),
        ("services", "connect", "http://b"),
    ):
        count(one, Attempt(dependency, 0.0, 0.1, outcome, url))
    found = counts_of(one.tallies())
    assert found[Subject("dependency", "personal")][:3] == (2, 1, 0), "an unknown person is an answer"
    assert found[Subject("dependency", "wind")][:2] == (1, 1), "our credentials were refused"
    assert found[Subject("dependency", "services http://c")][:2] == (1, 0), "its own answer to a client"
    assert found[Subject("dependency", "services http://a")][:2] == (1, 0)
    assert found[Subject("dependency", "services http://b")][:2] == (1, 1)


def test_exchanges_that_the_cache_did_not_answer_count_as_failed() -> None:
    one = metrics()
    for result in ("hit", "hit", "miss"):
        count(one, ExchangeFinished("wind", result))
    assert counts_of(one.tallies())[IDENTITIES][:2] == (3, 1)


def test_nothing_counted_is_nothing() -> None:
    assert counts_of(Tallies()) == {}
    assert History().figures(Tallies()) == {}


def test_figures_are_those_since_the_oldest_sample_and_the_curve_is_between_samples() -> None:
    clock = MemoryClock()
    history = History(clock.now)
    for good in (0, 50, 60, 60):
        history.add(counted(good))
        clock.move(5.0)
    found = history.figures(counted(60, failed=15))[WIND]
    assert found.rate == pytest.approx((75 - 50) / 15)
    assert found.failed_rate == pytest.approx(1.0)
    assert found.share(found.failed_rate) == pytest.approx(15 / 25)
    assert found.curve == ((10.0, 0.0), (2.0, 0.0), (0.0, 0.0))


def test_what_is_over_shows_soon_in_the_figures_of_lately() -> None:
    clock = MemoryClock()
    history = History(clock.now)
    for failed in (0, 30, 30):
        history.add(counted(60, failed))
        clock.move(5.0)
    now = counted(70, 30)
    assert history.figures(now)[WIND].failed_rate == pytest.approx(2.0)
    assert history.figures(now, LATELY)[WIND].failed_rate == 0.0


def test_the_figures_of_lately_begin_with_the_first_sample() -> None:
    clock = MemoryClock()
    history = History(clock.now)
    history.add(counted(0))
    clock.move(1.0)
    assert history.figures(counted(5), LATELY)[WIND].rate == pytest.approx(5.0)


def test_failures_are_counted_by_their_origin_and_refusals_by_their_reason() -> None:
    found = counts_of(counted(good=3, failed=2, refused=4))
    assert found[Subject("refusal", "invalid-token")].all == 4
    assert found[Subject("origin", "partner")][:2] == (2, 2)


def test_a_curve_is_bounded() -> None:
    clock = MemoryClock()
    history = History(clock.now)
    for good in range(POINTS + 20):
        history.add(counted(1 + good))
        clock.move(5.0)
    assert len(history.figures(counted(POINTS + 20))[WIND].curve) == POINTS


def test_a_moment_without_time_or_counts_that_began_anew_have_no_figures() -> None:
    clock = MemoryClock()
    history = History(clock.now)
    history.add(counted(5))
    assert history.figures(counted(6))[WIND] == Figures()
    clock.move(5.0)
    assert history.figures(counted(2))[WIND] == Figures()


def test_a_sample_is_not_changed_by_what_comes_later() -> None:
    one, clock = metrics(), MemoryClock()
    history = History(clock.now)
    count(one, ended())
    history.add(one.tallies())
    clock.move(1.0)
    count(one, ended())
    found = history.figures(one.tallies())[WIND]
    assert found.rate == 1.0
    assert found.p50 == pytest.approx(0.0035)
    assert found.p99 == pytest.approx(0.00497)


@pytest.mark.parametrize(
    ("share", "buckets", "seconds"),
    [
        (0.5, {0.001: 10}, 0.0005),
        (0.5, {0.005: 1, 0.5: 1}, 0.005),
        (0.99, {0.005: 98, 0.5: 2}, 0.35),
        (0.99, {}, None),
        (0.5, {None: 3}, BUCKETS[-1]),
    ],
)
def test_a_quantile_lies_within_its_bucket(
    share: float, buckets: dict[float | None, float], seconds: float | None
) -> None:
    counts = [buckets.get(bound, 0.0) for bound in (*BUCKETS, None)]
    assert quantile(share, counts) == (None if seconds is None else pytest.approx(seconds))


def test_a_share_of_nothing_is_none() -> None:
    assert Figures().share(0.0) == 0.0
    assert Counts().all == 0
