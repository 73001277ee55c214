"""Rate limits: by example, against a token bucket in exact numbers, and against the package `limits`."""

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talaria.domain.errors import RateLimited
from talaria.domain.model import PersonalPhoneId, Principal
from talaria.domain.rate_limits import CallerRateLimits, RateLimit, RateLimiter
from tests.unit.domain.support_limits import moving_window

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


def admitted(limiter: RateLimiter, times: Sequence[float], key: str = "key") -> list[bool]:
    return [limiter.take(key, at) == 0.0 for at in times]


def test_a_burst_at_once_then_one_for_each_interval() -> None:
    limiter = RateLimiter(RateLimit(10.0, 3))
    assert admitted(limiter, [50.0] * 5) == [True, True, True, False, False]
    assert limiter.take("key", 50.04) == pytest.approx(0.06, abs=1e-3)
    assert admitted(limiter, [50.101, 50.101, 50.201, 50.301]) == [True, False, True, True]
    assert admitted(limiter, [51.0] * 4) == [True, True, True, False]


def test_each_key_has_its_own() -> None:
    limiter = RateLimiter(RateLimit(1.0, 1))
    assert [limiter.take(key, 1.0) > 0 for key in ("a", "b", "a", "b", "c")] == [False, False, True, True, False]


def test_what_is_given_back_can_be_taken_again() -> None:
    limiter = RateLimiter(RateLimit(1.0, 2))
    assert admitted(limiter, [1.0, 1.0, 1.0]) == [True, True, False]
    limiter.give_back("key")
    limiter.give_back("a key that took nothing")
    assert admitted(limiter, [1.0, 1.0]) == [True, False]


@pytest.mark.parametrize("uptime", [0.0, 1.0, 86_400.0, 3.2e7, 2.0**23 - 0.5])
@pytest.mark.parametrize("limit", [RateLimit(200.0, 400), RateLimit(1 / 3, 7), RateLimit(1e5, 10_000)])
def test_a_burst_is_counted_to_the_last_one_however_long_the_clock_runs(uptime: float, limit: RateLimit) -> None:
    limiter = RateLimiter(limit)
    assert sum(admitted(limiter, [uptime] * (limit.burst + 5))) == limit.burst
    later = uptime + limit.burst / limit.per_second
    assert sum(admitted(limiter, [later] * (limit.burst + 5))) == limit.burst


@given(gaps, bursts, st.integers(1, 8))
def test_it_is_a_token_bucket(steps: list[int], burst: int, per_second: int) -> None:
    limiter = RateLimiter(RateLimit(float(per_second), burst))
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
    assert admitted(RateLimiter(RateLimit(1 / interval, 1)), times) == moving_window(1, interval, times)


@given(gaps, bursts, seconds_for_one)
@settings(deadline=None)
def test_no_window_of_limits_sees_more_than_the_burst_and_what_came_due(
    steps: list[int], burst: int, interval: int
) -> None:
    limiter = RateLimiter(RateLimit(1 / interval, burst))
    passed = [at for at in times_of(steps) if limiter.take("key", at) == 0.0]
    for more in (1, 3, 10):
        assert all(moving_window(burst + more, more * interval, passed))


@given(gaps, bursts, seconds_for_one)
@settings(deadline=None)
def test_what_a_window_of_limits_admits_is_never_refused(steps: list[int], burst: int, interval: int) -> None:
    times = times_of(steps)
    fitting = [at for at, ok in zip(times, moving_window(burst, burst * interval, times), strict=True) if ok]
    assert all(admitted(RateLimiter(RateLimit(1 / interval, burst)), fitting))


@given(gaps, bursts, st.integers(1, 8))
def test_after_the_time_that_a_refusal_names_a_request_is_admitted(
    steps: list[int], burst: int, per_second: int
) -> None:
    limiter = RateLimiter(RateLimit(float(per_second), burst))
    for at in times_of(steps):
        wait = limiter.take("key", at)
        if wait:
            assert limiter.take("key", at + 0.98 * wait) > 0 or wait < 1e-2
            assert limiter.take("key", at + wait + 1e-9) == 0.0
            limiter.give_back("key")


def test_memory_is_bounded_and_idle_keys_are_forgotten() -> None:
    limiter = RateLimiter(RateLimit(10.0, 10), entries=1000)
    for n in range(50_000):
        limiter.take(n, n * 1e-6)
        assert limiter.size <= 1000
    for turn in range(4):
        limiter.take("now", 10.0 + turn * 1.5)
        limiter.take(f"new-{turn}", 10.0 + turn * 1.5)
    assert limiter.size <= 4


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5)), max_size=80), bursts)
def test_what_is_forgotten_makes_no_difference_while_memory_is_not_short(
    asked: list[tuple[str, int]], burst: int
) -> None:
    limiter, alone = RateLimiter(RateLimit(1.0, burst)), {key: RateLimiter(RateLimit(1.0, burst)) for key in "abcdef"}
    at = 0.0
    for key, steps in asked:
        at += steps * STEP
        assert limiter.take(key, at) == pytest.approx(alone[key].take("only", at))


def principal(person: str | None, caller: str = "app") -> Principal:
    return Principal(caller, None if person is None else PersonalPhoneId(person))


def limits(caller: RateLimit | None = None, person: RateLimit | None = None) -> CallerRateLimits:
    return CallerRateLimits(
        {} if caller is None else {"app": RateLimiter(caller)}, {} if person is None else {"app": RateLimiter(person)}
    )


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


def test_a_key_that_is_not_asked_for_during_two_turns_is_forgotten() -> None:
    limiter = RateLimiter(RateLimit(1.0, 1))
    sizes = []
    for at, names in ((0.0, "abc"), (1.0, "d"), (1.0, "a"), (2.0, "e")):
        for name in names:
            limiter.take(name, at)
        sizes.append(limiter.size)
    assert sizes == [3, 4, 4, 3]


@pytest.mark.parametrize(("entries", "size"), [(1, 2), (2, 2), (3, 2), (12, 10), (1000, 100)])
def test_no_more_keys_are_remembered_than_there_are_entries(entries: int, size: int) -> None:
    limiter = RateLimiter(RateLimit(1.0, 1), entries)
    for number in range(100):
        limiter.take(number, 0.0)
        assert limiter.size <= max(2, entries)
    assert limiter.size == size
