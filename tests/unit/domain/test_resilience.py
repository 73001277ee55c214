"""The breaker and the budget, by example."""

import random

import pytest

from talaria.domain.resilience import CircuitBreaker, RetryBudget, Window


def fail(breaker: CircuitBreaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        permit = breaker.admit(now)
        assert permit is not None
        breaker.failed(permit, now)


def state_of(breaker: CircuitBreaker) -> str:
    return breaker.state


def opened(now: float = 100.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    fail(breaker, now, times=5)
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    breaker = CircuitBreaker()
    fail(breaker, 100.0, times=4)
    assert state_of(breaker) == "closed"
    fail(breaker, 100.0)
    assert (state_of(breaker), breaker.opened_until) == ("open", 105.0)
    assert breaker.admit(104.9) is None
    assert breaker.refused_for(103.0) == pytest.approx(2.0)


def test_half_of_twenty_open_it() -> None:
    breaker = CircuitBreaker()
    for turn in range(19):
        permit = breaker.admit(100.0)
        assert permit is not None
        (breaker.failed if turn % 2 else breaker.succeeded)(permit, 100.0)
    assert state_of(breaker) == "closed"
    fail(breaker, 100.0)
    assert state_of(breaker) == "open"


def test_failures_of_long_ago_do_not_count_towards_the_half() -> None:
    breaker = CircuitBreaker()
    for turn in range(19):
        permit = breaker.admit(100.0)
        assert permit is not None
        (breaker.failed if turn % 2 else breaker.succeeded)(permit, 100.0)
    fail(breaker, 110.0)
    assert state_of(breaker) == "closed"


def begin(breaker: CircuitBreaker, now: float) -> int:
    permit = breaker.admit(now)
    assert permit is not None
    breaker.head_received(permit, now)
    return permit


def test_five_bodies_in_a_row_that_break_open_it() -> None:
    breaker = CircuitBreaker()
    for at in (100.0, 120.0, 140.0, 160.0, 180.0):
        assert state_of(breaker) == "closed"
        breaker.body_failed(begin(breaker, at), at, at + 9.0)
    assert (state_of(breaker), breaker.opened_until) == ("open", 194.0)
    breaker.body_failed(begin(breaker, 194.0), 194.0, 194.0)
    assert state_of(breaker) == "closed", "a probe that broke was one of another phase"
    breaker.body_failed(begin(breaker, 194.0), 194.0, 194.0)
    assert state_of(breaker) == "open", "still none came to its end"


@pytest.mark.parametrize("well", ["ended", "succeeded"])
def test_an_answer_that_came_to_its_end_is_between_them(well: str) -> None:
    breaker = CircuitBreaker()
    for turn in range(18):
        permit = breaker.admit(100.0)
        assert permit is not None
        if turn % 4 == 0 and well == "succeeded":
            breaker.succeeded(permit, 100.0)
            continue
        breaker.head_received(permit, 100.0)
        if turn % 4:
            breaker.body_failed(permit, 100.0, 101.0)
        else:
            breaker.body_completed()
    assert state_of(breaker) == "closed"


def test_half_of_twenty_with_broken_bodies_open_it() -> None:
    breaker = CircuitBreaker()
    permits = [begin(breaker, 100.0) for _ in range(20)]
    for permit in permits[:9]:
        breaker.body_failed(permit, 100.0, 101.0)
        breaker.body_completed()
    assert state_of(breaker) == "closed"
    breaker.body_failed(permits[9], 100.0, 101.0)
    assert state_of(breaker) == "open"


def test_streams_that_are_cut_later_open_nothing() -> None:
    breaker = CircuitBreaker()
    permits = [begin(breaker, 100.0) for _ in range(100)]
    for permit in permits:
        breaker.body_failed(permit, 100.0, 110.1)
    assert state_of(breaker) == "closed"


def test_exactly_one_probe() -> None:
    breaker = opened()
    permit = breaker.admit(105.0)
    assert permit is not None
    assert state_of(breaker) == "half-open"
    assert [breaker.admit(105.0 + later) for later in range(1000)] == [None] * 1000
    breaker.succeeded(permit, 105.1)
    assert state_of(breaker) == "closed"
    assert breaker.refused_for(105.1) == 0.0


def test_an_abandoned_probe_frees_its_place() -> None:
    breaker = opened()
    permit = breaker.admit(105.0)
    assert permit is not None
    breaker.cancelled(permit, 105.1)
    second = breaker.admit(105.1)
    assert second is not None
    breaker.succeeded(permit, 105.2)
    assert state_of(breaker) == "half-open", "the abandoned probe has no say any more"
    breaker.succeeded(second, 105.3)
    assert state_of(breaker) == "closed"


@pytest.mark.parametrize(
    ("longest_pause", "pauses"), [(10.0, [5.0, 10.0, 10.0, 10.0]), (30.0, [5.0, 10.0, 20.0, 30.0])]
)
def test_pauses_double_up_to_the_longest_and_start_anew_after_a_success(
    longest_pause: float, pauses: list[float]
) -> None:
    breaker, now, seen = CircuitBreaker(longest_pause), 100.0, []
    fail(breaker, now, times=5)
    for _ in range(4):
        seen.append(breaker.opened_until - now)
        now = breaker.opened_until
        fail(breaker, now)
    assert seen == pauses
    permit = breaker.admit(breaker.opened_until)
    assert permit is not None
    breaker.succeeded(permit, now)
    fail(breaker, now, times=5)
    assert breaker.opened_until - now == 5.0


def test_a_breaker_pauses_for_ten_seconds_at_most_where_nothing_is_said() -> None:
    breaker = opened()
    for _ in range(5):
        fail(breaker, breaker.opened_until)
    at = breaker.opened_until
    fail(breaker, at)
    assert breaker.opened_until - at == 10.0


def test_what_was_in_flight_when_it_opened_says_nothing() -> None:
    breaker = CircuitBreaker()
    late = breaker.admit(100.0)
    assert late is not None
    fail(breaker, 100.0, times=5)
    probe = breaker.admit(105.0)
    breaker.failed(late, 105.0)
    assert state_of(breaker) == "half-open"
    assert probe is not None
    breaker.succeeded(probe, 105.0)
    breaker.failed(late, 105.0)
    assert breaker.admit(105.0) is not None


def test_a_call_of_an_earlier_phase_that_is_cancelled_frees_no_probes_place() -> None:
    breaker = CircuitBreaker()
    late = breaker.admit(100.0)
    assert late is not None
    fail(breaker, 100.0, times=5)
    assert breaker.admit(105.0) is not None
    breaker.cancelled(late, 105.0)
    assert state_of(breaker) == "half-open"
    assert breaker.admit(105.0) is None


def test_a_probe_that_succeeds_resets_every_count() -> None:
    breaker = CircuitBreaker()
    for turn in range(20):
        permit = breaker.admit(100.0)
        assert permit is not None
        (breaker.failed if turn % 2 else breaker.succeeded)(permit, 100.0)
    assert state_of(breaker) == "open"
    probe = breaker.admit(105.0)
    assert probe is not None
    breaker.succeeded(probe, 105.0)
    fail(breaker, 105.0, times=4)
    assert state_of(breaker) == "closed"
    fail(breaker, 105.0)
    assert state_of(breaker) == "open"


def test_a_probe_that_fails_counts_once_and_opens_it_for_longer() -> None:
    breaker = opened()
    fail(breaker, 105.0)
    assert (state_of(breaker), breaker.opened_until) == ("open", 115.0)
    assert breaker.refused_for(110.0) == 5.0


def test_while_half_open_the_next_try_is_a_second_away() -> None:
    breaker = opened()
    assert breaker.admit(105.0) is not None
    assert breaker.refused_for(105.0) == 1.0


def test_a_new_breaker_refuses_nothing() -> None:
    breaker = CircuitBreaker()
    assert (state_of(breaker), breaker.opened_until, breaker.refused_for(0.0)) == ("closed", 0.0, 0.0)


@pytest.mark.parametrize("well", ["completed", "succeeded"])
def test_five_broken_bodies_are_counted_from_the_last_one_that_was_completed(well: str) -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        breaker.body_failed(begin(breaker, 100.0), 100.0, 100.0)
    if well == "completed":
        breaker.body_completed()
    else:
        permit = breaker.admit(100.0)
        assert permit is not None
        breaker.succeeded(permit, 100.0)
    for _ in range(4):
        breaker.body_failed(begin(breaker, 111.0), 111.0, 111.0)
    assert state_of(breaker) == "closed"
    breaker.body_failed(begin(breaker, 111.0), 111.0, 111.0)
    assert state_of(breaker) == "open"


@pytest.mark.parametrize(("after", "counts"), [(9.9, True), (10.0, True), (10.1, False)])
def test_a_body_that_breaks_within_ten_seconds_of_its_head_counts(after: float, counts: bool) -> None:
    breaker = CircuitBreaker()
    for _ in range(5):
        breaker.body_failed(begin(breaker, 100.0), 100.0, 100.0 + after)
    assert (state_of(breaker) == "open") is counts


def test_a_body_of_an_earlier_phase_that_breaks_says_nothing() -> None:
    breaker = CircuitBreaker()
    late = [begin(breaker, 100.0) for _ in range(5)]
    fail(breaker, 100.0, times=5)
    probe = breaker.admit(105.0)
    assert probe is not None
    breaker.succeeded(probe, 105.0)
    for permit in late:
        breaker.body_failed(permit, 100.0, 105.0)
    assert state_of(breaker) == "closed"


def test_a_failure_counts_once_among_the_half() -> None:
    """Of 19 calls 9 failed: one more that succeeds makes 20, of which less than a half failed."""
    breaker = CircuitBreaker()
    for turn in range(20):
        permit = breaker.admit(100.0)
        assert permit is not None
        (breaker.failed if turn in range(0, 18, 2) else breaker.succeeded)(permit, 100.0)
    assert state_of(breaker) == "closed"
    fail(breaker, 100.0, times=2)
    assert state_of(breaker) == "open", "11 of 22"


@pytest.mark.parametrize("second", [0.5, 1.5, 2.5])
def test_a_window_counts_from_its_first_second_on(second: float) -> None:
    window = Window()
    window.add(second, 3, 1)
    window.add(second, 2, 1)
    assert window.counts(second) == (5, 2)
    assert window.counts(second + 9) == (5, 2)
    assert window.counts(second + 10) == (0, 0)


def test_a_window_keeps_ten_seconds_and_no_more() -> None:
    window = Window()
    for second in range(1000):
        window.add(float(second), 1, 1)
    assert window.counts(999.0) == (10, 10)
    assert len(window._seconds) <= 10


def test_ten_retries_at_any_time() -> None:
    refused: list[str] = []
    budget = RetryBudget(lambda: refused.append("refused"))
    assert [budget.take(50.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert budget.take(60.0)
    assert len(refused) == 2


def test_when_all_fails_a_fifth_more_is_sent() -> None:
    budget, calls = RetryBudget(), 0
    for request in range(1000):
        now = request / 100
        budget.requested(now)
        calls += 1 + sum(budget.take(now) for _ in range(2))
    assert 1150 < calls <= 1200


def test_a_retry_that_is_answered_gives_its_token_back() -> None:
    budget = RetryBudget()
    for _ in range(100):
        assert budget.take(50.0)
        budget.answered(50.0)
    assert [budget.take(50.0) for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize(("failing", "success", "calls"), [(0.3, 0.97, 1.42), (1.0, 0.0, 1.2)])
def test_three_in_ten_that_fail_are_mended_and_an_outage_costs_a_fifth(
    failing: float, success: float, calls: float
) -> None:
    rng = random.Random(7)
    budget, sent, succeeded = RetryBudget(), 0, 0
    for request in range(10_000):
        now = request / 100
        budget.requested(now)
        for attempt in range(3):
            if attempt and not budget.take(now):
                break
            sent += 1
            if rng.random() >= failing:
                succeeded += 1
                if attempt:
                    budget.answered(now)
                break
    assert succeeded >= success * 10_000
    assert sent <= calls * 10_000
