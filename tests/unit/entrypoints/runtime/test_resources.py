"""What goes on from one configuration to the next."""

from talaria.entrypoints.runtime.resources import Stock


class Pool:
    """A part with connections."""

    async def aclose(self) -> None:
        """It has none."""


def test_what_is_made_of_the_same_is_taken_over() -> None:
    first = Stock()
    pool = first.part(("wind", 1), Pool)
    assert Stock(first).part(("wind", 1), Pool) is pool
    assert Stock(first).part(("wind", 2), Pool) is not pool


def test_what_nobody_took_over_is_to_be_closed() -> None:
    first = Stock()
    taken, left = first.part("taken", Pool), first.part("left", Pool)
    second = Stock(first)
    second.part("taken", Pool)
    second.part("new", Pool)
    assert list(first.not_in(second)) == [left]
    assert taken in second.all()


def test_what_was_left_is_not_found_again_later() -> None:
    first = Stock()
    pool = first.part("wind", Pool)
    second = Stock(first)
    assert Stock(second).part("wind", Pool) is not pool
