"""The concurrency limit: how many requests at once, and which of them are shed first."""

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import GatewayOverloaded
from talaria.domain.resilience import ConcurrencyLimiter


def taken(limit: int, count: int) -> ConcurrencyLimiter:
    limiter = ConcurrencyLimiter(limit)
    for _ in range(count):
        limiter.acquire()
    return limiter


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_the_limit_is_taken_in_full_and_not_exceeded(limit: int) -> None:
    limiter = taken(limit, limit)
    with pytest.raises(GatewayOverloaded):
        limiter.acquire()
    with pytest.raises(GatewayOverloaded) as caught:
        limiter.acquire()
    assert (caught.value.retry_after, limiter.in_flight) == (1.0, limit)
    limiter.release()
    limiter.acquire()
    assert limiter.in_flight == limit


@pytest.mark.parametrize(("limit", "cold"), [(1, 1), (2, 1), (4, 3), (5, 4), (10, 8), (11, 8), (1024, 819)])
def test_a_fifth_is_kept_for_requests_with_a_cached_identity(limit: int, cold: int) -> None:
    limiter = taken(limit, cold)
    limiter.shed_cold()
    if cold < limit:
        limiter.acquire()
        with pytest.raises(GatewayOverloaded) as caught:
            limiter.shed_cold()
        assert caught.value.retry_after == 1.0
        limiter.release()
        limiter.shed_cold()


@pytest.mark.parametrize(("limit", "waiting"), [(1, 1), (2, 1), (5, 2), (10, 5)])
def test_half_is_kept_for_requests_that_wait_for_no_keys(limit: int, waiting: int) -> None:
    limiter = taken(limit, limit)
    for _ in range(2):
        with ExitStack() as fetching:
            for _ in range(waiting):
                fetching.enter_context(limiter.waiting_for_keys())
            with pytest.raises(GatewayOverloaded) as caught, limiter.waiting_for_keys():
                raise AssertionError
            assert caught.value.retry_after == 1.0


def test_a_smaller_limit_ends_no_request_and_admits_none_until_it_holds() -> None:
    limiter = taken(10, 8)
    limiter.resize(5)
    with pytest.raises(GatewayOverloaded):
        limiter.acquire()
    with pytest.raises(GatewayOverloaded):
        limiter.shed_cold()
    for _ in range(4):
        limiter.release()
    limiter.shed_cold()
    limiter.acquire()
    with pytest.raises(GatewayOverloaded):
        limiter.acquire()


def test_a_larger_limit_admits_more_at_once() -> None:
    limiter = taken(2, 2)
    limiter.resize(10)
    limiter.shed_cold()
    limiter.acquire()
    assert limiter.in_flight == 3


@given(st.integers(1, 12), st.lists(st.booleans(), max_size=60))
def test_never_more_than_the_limit_whatever_comes_and_goes(limit: int, arriving: list[bool]) -> None:
    limiter, expected = ConcurrencyLimiter(limit), 0
    for arrives in arriving:
        if not arrives and expected:
            limiter.release()
            expected -= 1
        elif arrives and expected < limit:
            limiter.acquire()
            expected += 1
        elif arrives:
            with pytest.raises(GatewayOverloaded):
                limiter.acquire()
        assert limiter.in_flight == expected <= limit
