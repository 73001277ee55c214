"""What rate limits remember: of each key, when its next request is due. In memory of a fixed size, given from outside.

Rules:

1. A key is a hash of 64 bits, which also says in which row of WAYS cells it is. One that is in none of them takes the
   cell of the key that has its whole burst again, or will have it soonest: that key is forgotten.
2. Processes may share a memory. What is in it belongs to the holder of the lock.
3. A process may die between any two stores. Each is of eight bytes, and leaves a valid state.
"""

from typing import Protocol

WAYS = 16
CELL_BYTES = 24
_ROW = 3 * WAYS


class Lock(Protocol):
    """Held by one at a time, of all that share a memory: `threading.Lock` in one process."""

    def acquire(self) -> bool:
        """Wait for it, but not for long. False: it can't be had."""
        ...

    def release(self) -> None:
        """Let another have it."""


class ArrivalTimes:
    """Cells over a memory that begins as zeros, CELL_BYTES for each.

    `arrivals`: the theoretical arrival time of a key's next request, in what unit its limit counts; of a new one 0.
    `whole_at`: when its burst is whole again, in seconds.
    """

    __slots__ = ("_keys", "_rows", "arrivals", "lock", "whole_at")

    def __init__(self, memory: memoryview, lock: Lock) -> None:
        self.lock = lock
        self._rows = len(memory) // (WAYS * CELL_BYTES)
        # A row is its keys, then their arrivals, then their whole_at: one number of a cell is good for all three.
        self._keys: memoryview[int] = memory.cast("q")
        self.arrivals: memoryview[float] = memory.cast("d")[WAYS:]
        self.whole_at: memoryview[float] = memory.cast("d")[2 * WAYS :]

    def cell_of(self, key: int) -> int:
        """The number of the key's cell."""
        first = key % self._rows * _ROW
        if self._keys[first] == key:
            return first
        row = range(first, first + WAYS)
        for cell in row[1:]:
            if self._keys[cell] == key:
                return cell
        cell = min(row, key=self.whole_at.__getitem__)
        self.arrivals[cell] = 0.0  # before the key: what another key used is none of this one's
        self._keys[cell] = key
        return cell
