"""Parts that go on from one configuration to the next: those that hold connections, or know how a dependency does."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Protocol, TypeVar, cast


class Part(Protocol):
    """Something with connections of its own."""

    async def aclose(self) -> None:
        """Close every connection."""
        ...


T = TypeVar("T", bound=Part)


class Stock:
    """The parts of one configuration, by what each was made of; those of `before` are taken over where that is equal.

    So a reload that changes one partner leaves the connections, the breakers and the key sets of the others alone.
    """

    def __init__(self, before: "Stock | None" = None) -> None:
        self._before: dict[Hashable, Part] = before._parts if before is not None else {}
        self._parts: dict[Hashable, Part] = {}

    def part(self, made_of: Hashable, make: Callable[[], T]) -> T:
        """The part that was made of the same before, or a new one."""
        found: Any = self._parts.get(made_of) or self._before.get(made_of)
        if found is None:
            found = make()
        self._parts[made_of] = found
        return cast(T, found)

    def all(self) -> Iterator[Part]:
        """Every part."""
        yield from self._parts.values()

    def not_in(self, heir: "Stock") -> Iterator[Part]:
        """The parts that `heir` has not taken over."""
        taken = {id(part) for part in heir.all()}
        yield from (part for part in self.all() if id(part) not in taken)
