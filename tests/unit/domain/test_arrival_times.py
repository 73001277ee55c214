"""The memory of rate limits: its rows, what it forgets, and what a death leaves in it."""

from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.arrival_times import CELL_BYTES, WAYS, ArrivalTimes
from talaria.domain.rate_limits import RateLimit, RateLimiter
from tests.unit.domain.support_rate_limits import new_times

KEYS = st.one_of(st.integers(0, 12), st.sampled_from([-(2**63), 2**63 - 1, -1]))


def test_a_key_keeps_its_cell_and_has_it_alone() -> None:
    times = new_times(rows=100)
    cells = {}
    for key in range(100 * WAYS):
        cells[key] = times.cell_of(key)
        times.whole_at[cells[key]] = 1.0
    assert len(set(cells.values())) == len(cells)
    assert all(times.cell_of(key) == cell for key, cell in cells.items())


def test_no_cell_is_out_of_the_memory_and_no_two_share_a_byte() -> None:
    memory = bytearray(3 * WAYS * CELL_BYTES)
    times = ArrivalTimes(memoryview(memory), Lock())
    for key in range(1, 3 * WAYS + 1):
        cell = times.cell_of(key)
        times.arrivals[cell] = times.whole_at[cell] = float(key)
    for key in range(1, 3 * WAYS + 1):
        cell = times.cell_of(key)
        assert (times.arrivals[cell], times.whole_at[cell]) == (key, key)
    assert all(any(memory[at : at + 8]) for at in range(0, len(memory), 8))


@given(st.lists(KEYS, max_size=60), st.randoms(use_true_random=False))
def test_a_full_row_forgets_the_key_that_is_soonest_whole_and_no_other(asked: list[int], random: Any) -> None:
    times, remembered = new_times(), dict[int, float]()
    for number, key in enumerate(asked, start=1):
        if key not in remembered and len(remembered) == WAYS:
            del remembered[min(remembered, key=lambda one: remembered[one])]
        cell = times.cell_of(key)
        assert times.arrivals[cell] == remembered.get(key, 0.0)
        # No two are whole at one moment: then which of them goes would be open.
        remembered[key] = times.arrivals[cell] = times.whole_at[cell] = number + random.randrange(20) * 100.0


class Dead(Exception):
    """The process died."""


class Mortal:
    """A memory of a process that dies at the store after so many."""

    def __init__(self, memory: Any, stores: list[int]) -> None:
        self._memory = memory
        self._stores = stores

    def __len__(self) -> int:
        return len(self._memory)

    def __getitem__(self, at: Any) -> Any:
        return Mortal(self._memory[at], self._stores) if isinstance(at, slice) else self._memory[at]

    def __setitem__(self, at: int, value: float) -> None:
        if not self._stores[0]:
            raise Dead
        self._stores[0] -= 1
        self._memory[at] = value

    def cast(self, form: str) -> "Mortal":
        return Mortal(self._memory.cast(form), self._stores)


@pytest.mark.parametrize("stores", range(5))
def test_a_process_that_dies_between_two_stores_leaves_each_key_as_it_was_or_whole_or_counted(stores: int) -> None:
    """It makes room for a key of another limit, with another unit: a mixture of both would be refused for years."""
    memory = memoryview(bytearray(WAYS * CELL_BYTES))
    mortal: Any = Mortal(memory, [stores])
    times, dying = ArrivalTimes(memory, Lock()), ArrivalTimes(mortal, Lock())
    slow, fast = RateLimit(1 / 3600, 3), RateLimit(1e6, 3)
    here, there = (RateLimiter("fast", fast, one) for one in (times, dying))
    for key in range(WAYS):
        RateLimiter("slow", slow, times).take(key, 1e6)
    try:
        there.take("new", 1e6)
    except Dead:
        assert stores < 4
    assert sum(here.take("new", 1e6) == 0.0 for _ in range(5)) in (2, 3)
    for key in range(1, WAYS):
        assert sum(RateLimiter("slow", slow, times).take(key, 1e6) == 0.0 for _ in range(5)) == 2
