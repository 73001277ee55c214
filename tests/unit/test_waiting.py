"""The wait for a condition ends in either case."""

import pytest

from tests.support_waiting import until


async def test_it_ends_once_the_condition_holds() -> None:
    answers = [False, False, True]
    await until(lambda: answers.pop(0))
    assert answers == []


async def test_a_condition_may_wait_itself() -> None:
    answers = [False, True]

    async def holds() -> bool:
        return answers.pop(0)

    await until(holds)
    assert answers == []


async def test_where_it_never_holds_the_condition_is_named() -> None:
    with pytest.raises(TimeoutError, match="lambda: 1 > 2"):
        await until(lambda: 1 > 2, seconds=0.05)


async def test_what_is_not_there_yet_may_raise() -> None:
    there = iter([False, True])

    async def holds() -> bool:
        if next(there):
            return True
        raise ConnectionError

    await until(holds, not_yet=(ConnectionError,))
    assert list(there) == []
