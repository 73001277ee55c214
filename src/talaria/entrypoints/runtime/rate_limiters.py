"""The rate limiters of one process: what each has counted goes on after a reload, while its limit is the same."""

from collections.abc import Mapping

from talaria.domain.rate_limits import CallerRateLimits, RateLimit, RateLimiter
from talaria.entrypoints.config import Settings


class RateLimiterRegistry:
    """The limiter of each setting, by the setting's path."""

    def __init__(self) -> None:
        self._limiters: dict[str, tuple[RateLimit, RateLimiter]] = {}

    def limiter(self, key: str, limit: RateLimit) -> RateLimiter:
        """The limiter that this setting had before, if its limit is the same, or a new one."""
        known = self._limiters.get(key)
        if known is None or known[0] != limit:
            known = self._limiters[key] = (limit, RateLimiter(limit))
        return known[1]


def caller_rate_limits(settings: Settings, registry: RateLimiterRegistry) -> CallerRateLimits:
    """The limits of callers and of their persons."""
    callers = settings.callers.items()
    return CallerRateLimits(
        _limiters("rate_limit", {name: caller.rate_limit for name, caller in callers}, registry),
        _limiters("person_rate_limit", {name: caller.person_rate_limit for name, caller in callers}, registry),
    )


def _limiters(
    key: str, limits: Mapping[str, RateLimit | None], registry: RateLimiterRegistry
) -> dict[str, RateLimiter]:
    return {
        name: registry.limiter(f"callers.{name}.{key}", limit) for name, limit in limits.items() if limit is not None
    }
