"""What holds connections, or knows how a dependency does: it goes on from one configuration to the next."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, cast


class Resource(Protocol):
    """Something with connections of its own."""

    async def follow_names(self) -> None:
        """Renew the connections to addresses that their names have no longer."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class HasState(Protocol):
    """A circuit breaker, or a key set behind a url."""

    @property
    def state(self) -> str:
        """The health of the dependency, in a word."""
        ...


T = TypeVar("T", bound=Resource)


class ResourceRegistry:
    """The resources of one configuration, by a key of everything that each was made of.

    Those of `before` are taken over where the key is equal. So a reload that changes one partner leaves the
    connections, the breakers and the key sets of the others alone. `watched`: what has a state, by the dependency.
    """

    def __init__(self, before: "ResourceRegistry | None" = None) -> None:
        self.watched: dict[str, HasState] = {}
        self._before: dict[Hashable, Resource] = before._resources if before is not None else {}
        self._resources: dict[Hashable, Resource] = {}

    def get_or_create(self, key: Hashable, create: Callable[[], T]) -> T:
        """The resource of this key, or a new one."""
        found: Any = self._resources.get(key) or self._before.get(key)
        if found is None:
            found = create()
        self._resources[key] = found
        return cast(T, found)

    def watch(self, dependency: str, watched: HasState) -> None:
        """The state of this dependency is that of `watched`."""
        self.watched[dependency] = watched

    def not_taken_over_by(self, successor: "ResourceRegistry") -> Iterator[Resource]:
        """The resources that `successor` has no use for."""
        taken = {id(resource) for resource in successor}
        yield from (resource for resource in self if id(resource) not in taken)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())


class HealthRegistry:
    """The state of every dependency of the configuration in force."""

    def __init__(self) -> None:
        self._watched: Mapping[str, HasState] = {}

    def replace_with(self, watched: Mapping[str, HasState]) -> None:
        """From now on these."""
        self._watched = watched

    def states(self) -> dict[str, str]:
        """The state of each, by the dependency."""
        return {name: one.state for name, one in self._watched.items()}
