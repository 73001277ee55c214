"""A test of many rows fails where one row fails, and names it."""

from collections.abc import Iterable

import pytest

from tests.support_rows import Rows


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
