"""The rate limiters of one process: what each has counted goes on after a reload, while its limit is the same."""

from talaria.domain.rate_limits import CallerRateLimits, RateLimit, RateLimiter
from talaria.entrypoints.config import Settings


class RateLimiterRegistry:
    """The limiter of each setting, by the setting's path."""

    def __init__(self) -> None:
        self._limiters: dict[str, tuple[RateLimit, RateLimiter]] = {}

    def limiter(self, key: str, limit: RateLimit | None) -> RateLimiter | None:
        """The limiter that this setting had before, if its limit is the same, or a new one; None without a limit."""
        if limit is None:
            return None
        known = self._limiters.get(key)
        if known is None or known[0] != limit:
            known = self._limiters[key] = (limit, RateLimiter(limit))
        return known[1]


def caller_rate_limits(settings: Settings, registry: RateLimiterRegistry) -> CallerRateLimits:
    """The limits of callers and of their persons."""

    def limiters(key: str) -> dict[str, RateLimiter]:
        callers = settings.callers.items()
        found = {name: registry.limiter(f"callers.{name}.{key}", getattr(one, key)) for name, one in callers}
        return {name: limiter for name, limiter in found.items() if limiter is not None}

    return CallerRateLimits(limiters("rate_limit"), limiters("person_rate_limit"))
