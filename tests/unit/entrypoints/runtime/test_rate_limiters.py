"""What was counted goes on after a reload, while the limit is the same."""

from talaria.domain.rate_limits import RateLimit
from talaria.entrypoints.runtime.rate_limiters import RateLimiterRegistry

KEY, OTHER = "callers.app.rate_limit", "callers.app.person_rate_limit"


def test_the_same_limit_of_the_same_setting_goes_on() -> None:
    registry = RateLimiterRegistry()
    first = registry.limiter(KEY, RateLimit(1.0, 1))
    assert registry.limiter(KEY, RateLimit(1.0, 1)) is first
    assert registry.limiter(OTHER, RateLimit(1.0, 1)) is not first


def test_a_changed_limit_begins_anew() -> None:
    registry = RateLimiterRegistry()
    first = registry.limiter(KEY, RateLimit(1.0, 1))
    second = registry.limiter(KEY, RateLimit(1.0, 2))
    assert second is not first
    assert registry.limiter(KEY, RateLimit(1.0, 2)) is second


def test_a_setting_without_a_limit_has_no_limiter() -> None:
    assert RateLimiterRegistry().limiter(KEY, None) is None
