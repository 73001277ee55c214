"""Rate limits: by example, against a token bucket in exact numbers, and against the package `limits`."""

import math
from collections.abc import Hashable, Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talaria.domain.arrival_times import WAYS
from talaria.domain.errors import RateLimited
from talaria.domain.model import PersonalPhoneId, Principal
from talaria.domain.rate_limits import CallerRateLimits, RateLimit, RateLimiter
from tests.unit.domain.support_limits import moving_window
from tests.unit.domain.support_rate_limits import caller_limits, new_limiter, new_times

STEP = math.pi / 8
"""Of the times: no whole number of seconds is a multiple of it, so no request comes at the very edge of a window."""

gaps = st.lists(st.integers(0, 12), min_size=1, max_size=60)
bursts = st.integers(1, 9)
seconds_for_one = st.integers(1, 4)


def times_of(steps: Sequence[int]) -> list[float]:
    """Moments, each so many steps after the one before."""
    at, times = 0, []
    for step in steps:
        at += step
        times.append(at * STEP)
    return times


def admitted(limiter: RateLimiter, times: Sequence[float], key: Hashable = "key") -> list[bool]:
    return [limiter.take(key, at) == 0.0 for at in times]


def test_a_burst_at_once_then_one_for_each_interval() -> None:
    limiter = new_limiter(RateLimit(10.0, 3))
    assert admitted(limiter, [50.0] * 5) == [True, True, True, False, False]
    assert limiter.take("key", 50.04) == pytest.approx(0.06, abs=1e-3)
    assert admitted(limiter, [50.101, 50.101, 50.201, 50.301]) == [True, False, True, True]
    assert admitted(limiter, [51.0] * 4) == [True, True, True, False]


def test_each_key_has_its_own() -> None:
    limiter = new_limiter(RateLimit(1.0, 1))
    assert [limiter.take(key, 1.0) > 0 for key in ("a", "b", "a", "b", "c")] == [False, False, True, True, False]


def test_what_is_given_back_can_be_taken_again() -> None:
    limiter = new_limiter(RateLimit(1.0, 2))
    assert admitted(limiter, [1.0, 1.0, 1.0]) == [True, True, False]
    limiter.give_back_locked("key")
    limiter.give_back_locked("a key that took nothing")
    assert admitted(limiter, [1.0, 1.0]) == [True, False]


@pytest.mark.parametrize("uptime", [0.0, 1.0, 86_400.0, 3.2e7, 2.0**23 - 0.5])
@pytest.mark.parametrize("limit", [RateLimit(200.0, 400), RateLimit(1 / 3, 7), RateLimit(1e5, 10_000)])
def test_a_burst_is_counted_to_the_last_one_however_long_the_clock_runs(uptime: float, limit: RateLimit) -> None:
    limiter = new_limiter(limit)
    assert sum(admitted(limiter, [uptime] * (limit.burst + 5))) == limit.burst
    later = uptime + limit.burst / limit.per_second
    assert sum(admitted(limiter, [later] * (limit.burst + 5))) == limit.burst


@given(gaps, bursts, st.integers(1, 8))
def test_it_is_a_token_bucket(steps: list[int], burst: int, per_second: int) -> None:
    limiter = new_limiter(RateLimit(float(per_second), burst))
    tokens, before = Fraction(burst), Fraction(0)
    slack = Fraction(1, 500)
    at = Fraction(0)
    for step in steps:
        at += Fraction(step, 7)
        tokens, before = min(Fraction(burst), tokens + (at - before) * per_second), at
        wait = limiter.take("key", float(at))
        assert tokens >= 1 - slack if wait == 0.0 else tokens < 1
        if wait:
            assert wait == pytest.approx(float((1 - tokens) / per_second), abs=2e-3)
        else:
            tokens -= 1


@given(gaps, seconds_for_one)
@settings(deadline=None)
def test_with_a_burst_of_one_it_admits_what_limits_admits(steps: list[int], interval: int) -> None:
    times = times_of(steps)
    assert admitted(new_limiter(RateLimit(1 / interval, 1)), times) == moving_window(1, interval, times)


@given(gaps, bursts, seconds_for_one)
@settings(deadline=None)
def test_no_window_of_limits_sees_more_than_the_burst_and_what_came_due(
    steps: list[int], burst: int, interval: int
) -> None:
    limiter = new_limiter(RateLimit(1 / interval, burst))
    passed = [at for at in times_of(steps) if limiter.take("key", at) == 0.0]
    for more in (1, 3, 10):
        assert all(moving_window(burst + more, more * interval, passed))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=60), bursts)
def test_no_span_sees_more_though_times_come_out_of_order(steps: list[tuple[int, int]], burst: int) -> None:
    """As those of several processes do: each reads the clock some time before it has the lock."""
    limiter, at, passed = new_limiter(RateLimit(1.0, burst)), 10.0, list[float]()
    for gap, late in steps:
        at += gap / 4
        if limiter.take("key", at - late / 4) == 0.0:
            passed.append(at - late / 4)
    passed.sort()
    for first, begins in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + passed[last] - begins + 1e-2


@given(gaps, bursts, seconds_for_one)
@settings(deadline=None)
def test_what_a_window_of_limits_admits_is_never_refused(steps: list[int], burst: int, interval: int) -> None:
    times = times_of(steps)
    fitting = [at for at, ok in zip(times, moving_window(burst, burst * interval, times), strict=True) if ok]
    assert all(admitted(new_limiter(RateLimit(1 / interval, burst)), fitting))


@given(gaps, bursts, st.integers(1, 8))
def test_after_the_time_that_a_refusal_names_a_request_is_admitted(
    steps: list[int], burst: int, per_second: int
) -> None:
    limiter = new_limiter(RateLimit(float(per_second), burst))
    for at in times_of(steps):
        wait = limiter.take("key", at)
        if wait:
            assert limiter.take("key", at + 0.98 * wait) > 0 or wait < 1e-2
            assert limiter.take("key", at + wait + 1e-9) == 0.0
            limiter.give_back_locked("key")


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5)), max_size=80), bursts)
def test_what_is_forgotten_makes_no_difference_while_memory_is_not_short(
    asked: list[tuple[str, int]], burst: int
) -> None:
    limiter, alone = new_limiter(RateLimit(1.0, burst)), {key: new_limiter(RateLimit(1.0, burst)) for key in "abcdef"}
    at = 0.0
    for key, steps in asked:
        at += steps * STEP
        assert limiter.take(key, at) == pytest.approx(alone[key].take("only", at))


def principal(person: str | None, caller: str = "app") -> Principal:
    return Principal(caller, None if person is None else PersonalPhoneId(person))


def limits(caller: RateLimit | None = None, person: RateLimit | None = None) -> CallerRateLimits:
    return caller_limits({} if caller is None else {"app": caller}, {} if person is None else {"app": person})


def refusal_of(limits: CallerRateLimits, principal: Principal, now: float = 1.0) -> tuple[str, float] | None:
    try:
        limits.check(principal, now)
    except RateLimited as refusal:
        return refusal.cause, round(refusal.retry_after or 0.0, 2)
    return None


def test_a_callers_limit_is_one_for_all_its_persons_and_no_other_callers() -> None:
    both = limits(caller=RateLimit(2.0, 2))
    assert [refusal_of(both, principal(person)) for person in ("a", None)] == [None, None]
    assert refusal_of(both, principal("c")) == ("callers.app.rate_limit", 0.5)
    assert refusal_of(both, principal("c", "web")) is None


def test_a_persons_limit_is_the_persons_alone() -> None:
    each = limits(person=RateLimit(1.0, 1))
    assert refusal_of(each, principal("a")) is None
    assert refusal_of(each, principal("a")) == ("callers.app.person_rate_limit", 1.0)
    assert [refusal_of(each, principal(person)) for person in ("b", None, None)] == [None, None, None]
    assert [refusal_of(each, principal("a", "web")) for _ in range(3)] == [None, None, None]


def test_a_person_over_its_limit_takes_nothing_of_its_callers() -> None:
    both = limits(caller=RateLimit(2.0, 2), person=RateLimit(1.0, 1))
    assert refusal_of(both, principal("a")) is None
    for _ in range(5):
        assert refusal_of(both, principal("a")) == ("callers.app.person_rate_limit", 1.0)
    assert refusal_of(both, principal("b")) is None
    assert refusal_of(both, principal("c")) == ("callers.app.rate_limit", 0.5)


def test_no_limit_at_all_is_false() -> None:
    assert not limits()
    assert limits(caller=RateLimit(1.0, 1))
    assert limits(person=RateLimit(1.0, 1))


class Lost:
    """A lock that can't be had."""

    def acquire(self) -> bool:
        return False

    def release(self) -> None:
        raise AssertionError("it was not had")


def test_where_the_lock_can_not_be_had_a_request_is_admitted_and_counts_for_nothing() -> None:
    times = new_times()
    limiter = RateLimiter("limit", RateLimit(1.0, 1), times)
    lock, times.lock = times.lock, Lost()
    assert admitted(limiter, [1.0] * 3) == [True] * 3
    assert [refusal_of(CallerRateLimits({"app": limiter}, {}, times.lock), principal("a")) for _ in range(3)] == [
        None
    ] * 3
    times.lock = lock
    assert admitted(limiter, [1.0] * 2) == [True, False]


class Held:
    """A lock that says whether it is held."""

    def __init__(self) -> None:
        self.held, self.turns = False, 0

    def acquire(self) -> bool:
        assert not self.held
        self.held = True
        self.turns += 1
        return True

    def release(self) -> None:
        assert self.held
        self.held = False


def test_a_request_takes_the_lock_once_and_none_where_there_is_no_limit() -> None:
    times = new_times()
    times.lock = lock = Held()
    caller, person = RateLimiter("caller", RateLimit(2.0, 2), times), RateLimiter("person", RateLimit(1.0, 1), times)
    both = CallerRateLimits({"app": caller}, {"app": person}, lock)
    refused = [refusal_of(both, principal(*one)) is not None for one in (("a",), ("b",), ("a",), ("c", "web"))]
    assert (refused, lock.turns, lock.held) == ([False, False, True, False], 3, False)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 3), st.booleans()), max_size=60), bursts
)
def test_limiters_of_one_name_and_limit_over_one_memory_are_one(
    asked: list[tuple[int, str, int, bool]], burst: int
) -> None:
    """As in several processes, and after a reload: whichever takes, and gives back."""
    limit, times = RateLimit(1.0, burst), new_times()
    several, one = [RateLimiter("limit", limit, times) for _ in range(3)], new_limiter(limit)
    at = 0.0
    for which, key, steps, gives_back in asked:
        at += steps * STEP
        wait = several[which].take(key, at)
        assert wait == one.take(key, at)
        if gives_back and not wait:
            several[which - 1].give_back_locked(key)
            one.give_back_locked(key)


def test_limiters_of_another_name_or_limit_share_nothing() -> None:
    times = new_times()
    of = [("a", RateLimit(1.0, 1)), ("b", RateLimit(1.0, 1)), ("a", RateLimit(1.0, 2)), ("a", RateLimit(2.0, 1))]
    for name, limit in of:
        assert sum(admitted(RateLimiter(name, limit, times), [1.0] * 4)) == limit.burst


def test_what_was_used_is_forgotten_once_it_is_whole_again_and_another_needs_its_cell() -> None:
    limiter = RateLimiter("limit", RateLimit(1.0, 2), new_times())
    for key in range(WAYS):
        limiter.take(key, 1.0)
    assert limiter.take("one more", 2.0) == 0.0
    assert [sum(admitted(limiter, [2.0] * 3, key)) for key in range(WAYS)] == [2] * WAYS


def test_the_key_that_is_soonest_whole_makes_room_where_there_is_none() -> None:
    limiter = RateLimiter("limit", RateLimit(1.0, 3), new_times())
    for key in range(WAYS):
        for _ in range(1 if key == 5 else 2):
            limiter.take(key, 1.0)
    limiter.take("one more", 1.0)
    assert [key for key in range(WAYS) if limiter.take(key, 1.0) == limiter.take(key, 1.0) == 0.0] == [5]


@pytest.mark.parametrize("quick", [0, 5])
def test_of_two_limits_the_one_that_is_sooner_whole_makes_room_whatever_each_counts_in(quick: int) -> None:
    times, slow = new_times(), RateLimit(1 / 3600, 1)
    for key in range(WAYS):
        RateLimiter("limit", RateLimit(1000.0, 1) if key == quick else slow, times).take(key, 100.0)
    limiter = RateLimiter("limit", slow, times)
    assert limiter.take("one more", 100.0) == 0.0
    assert [limiter.take(key, 100.0) > 0 for key in range(WAYS) if key != quick] == [True] * (WAYS - 1)
