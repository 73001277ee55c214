"""What is known of the dependencies' health."""

from talaria.domain.resilience import CircuitBreaker


class Breakers:
    """Every circuit breaker of this process, by the name of what it guards."""

    def __init__(self) -> None:
        self._breakers: dict[str, CircuitBreaker] = {}

    def add(self, name: str, breaker: CircuitBreaker) -> None:
        """Know one more."""
        self._breakers[name] = breaker

    def become(self, other: "Breakers") -> None:
        """Know those that `other` knows, and no others."""
        self._breakers = other._breakers

    def states(self) -> dict[str, str]:
        """What each says now."""
        return {name: breaker.state for name, breaker in self._breakers.items()}
