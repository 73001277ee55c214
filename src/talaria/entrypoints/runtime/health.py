"""What is known of the dependencies' health."""

from typing import Protocol


class Watched(Protocol):
    """A circuit breaker, or a key set behind a url."""

    @property
    def state(self) -> str:
        """How the dependency does, in a word."""
        ...


class Breakers:
    """Every circuit breaker and every key set of this process, by the name of the dependency."""

    def __init__(self) -> None:
        self._watched: dict[str, Watched] = {}

    def add(self, name: str, watched: Watched) -> None:
        """Know one more."""
        self._watched[name] = watched

    def become(self, other: "Breakers") -> None:
        """Know those that `other` knows, and no others."""
        self._watched = other._watched

    def states(self) -> dict[str, str]:
        """What each says now."""
        return {name: one.state for name, one in self._watched.items()}
