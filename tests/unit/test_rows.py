"""A test of many rows fails where one row fails, and names it."""

from collections.abc import Iterable

import pytest

from tests.support_rows import Rows, each_row


def odd(numbers: Iterable[int]) -> None:
    """Each of these numbers is odd."""
    with Rows() as rows:
        for number in numbers:
            with rows.row(f"number {number}"):
                assert number % 2


def test_all_rows_are_tried_and_each_that_fails_is_named() -> None:
    with pytest.raises(ExceptionGroup, match="2 of 4 rows failed") as failed:
        odd(range(4))
    assert [error.__notes__ for error in failed.value.exceptions] == [["the row: number 0"], ["the row: number 2"]]


def test_rows_that_hold_are_no_failure() -> None:
    odd([1, 3])


def test_a_table_without_rows_fails() -> None:
    with pytest.raises(AssertionError, match="without rows"):
        odd([])


def test_what_is_raised_beside_the_rows_passes() -> None:
    with pytest.raises(ZeroDivisionError):
        odd(1 // number for number in (1, 0))


@each_row(("number", "name"), [(1, "one"), (2, "two")])
@pytest.mark.parametrize("times", [1, 3])
def test_a_table_beside_fixtures(number: int, name: str, times: int, request: pytest.FixtureRequest) -> None:
    assert len(name * number * times) == times * number * 3
    assert request.node.name == f"test_a_table_beside_fixtures[{times}]"


def test_a_row_that_fails_is_named_with_its_values() -> None:
    @each_row("number", [1, 2])
    def test(number: int) -> None:
        assert number == 1

    with pytest.raises(ExceptionGroup) as failed:
        test()
    assert [error.__notes__ for error in failed.value.exceptions] == [["the row: {'number': 2}"]]
