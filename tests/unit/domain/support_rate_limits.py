"""Rate limits over a small memory of their own."""

from collections.abc import Mapping
from threading import Lock

from talaria.domain.arrival_times import CELL_BYTES, WAYS, ArrivalTimes
from talaria.domain.rate_limits import CallerRateLimits, RateLimit, RateLimiter


def new_times(rows: int = 1) -> ArrivalTimes:
    """A memory of so many rows, of which nothing is used."""
    return ArrivalTimes(memoryview(bytearray(rows * WAYS * CELL_BYTES)), Lock())


def new_limiter(limit: RateLimit) -> RateLimiter:
    """One that shares its memory with no other."""
    return RateLimiter("limit", limit, new_times())


def caller_limits(callers: Mapping[str, RateLimit], persons: Mapping[str, RateLimit]) -> CallerRateLimits:
    """By the caller's name, its limit, and that of each of its persons."""
    named, personal = new_times(), new_times()
    return CallerRateLimits(
        {name: RateLimiter(name, limit, named) for name, limit in callers.items()},
        {name: RateLimiter(name, limit, personal) for name, limit in persons.items()},
        named.lock,
    )
