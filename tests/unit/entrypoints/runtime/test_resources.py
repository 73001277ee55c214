"""What goes on from one configuration to the next."""

from dataclasses import dataclass

from talaria.entrypoints.runtime.resources import HealthRegistry, ResourceRegistry


class Pool:
    """A resource with connections."""

    async def follow_names(self) -> None:
        """It has none."""

    async def aclose(self) -> None:
        """It has none."""


@dataclass
class Breaker:
    """Something with a state."""

    state: str


def test_what_is_made_of_the_same_is_taken_over() -> None:
    first = ResourceRegistry()
    pool = first.get_or_create(("wind", 1), Pool)
    assert ResourceRegistry(first).get_or_create(("wind", 1), Pool) is pool
    assert ResourceRegistry(first).get_or_create(("wind", 2), Pool) is not pool


def test_what_was_not_taken_over_is_to_be_closed() -> None:
    first = ResourceRegistry()
    taken, left = first.get_or_create("taken", Pool), first.get_or_create("left", Pool)
    second = ResourceRegistry(first)
    second.get_or_create("taken", Pool)
    second.get_or_create("new", Pool)
    assert list(first.not_taken_over_by(second)) == [left]
    assert taken in list(second)


def test_what_was_left_is_not_found_again_later() -> None:
    first = ResourceRegistry()
    pool = first.get_or_create("wind", Pool)
    second = ResourceRegistry(first)
    assert ResourceRegistry(second).get_or_create("wind", Pool) is not pool


def test_the_states_are_those_of_the_configuration_in_force() -> None:
    first, second = ResourceRegistry(), ResourceRegistry()
    first.watch("wind", Breaker("closed"))
    second.watch("bolt", Breaker("open"))
    health = HealthRegistry()
    health.replace_with(first.watched)
    assert health.states() == {"wind": "closed"}
    health.replace_with(second.watched)
    assert health.states() == {"bolt": "open"}
