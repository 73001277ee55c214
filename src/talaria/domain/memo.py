"""A bounded memo: what was decided of a client's bytes, so that it is decided once."""

from collections.abc import Sized
from typing import TypeVar

K = TypeVar("K", bound=Sized)
V = TypeVar("V")


class BoundedMemo(dict[K, V]):
    """A dict with `entries` entries at most, of keys with a length of `longest` at most.

    It is cleared before it would grow past its bound, so no flood of new keys stops it from learning. To clear is one
    branch; an LRU costs each lookup. `get` and `in` are those of dict.
    """

    __slots__ = ("_entries", "_longest")

    def __init__(self, entries: int, longest: int = 64) -> None:
        super().__init__()
        self._entries = entries
        self._longest = longest

    def remember(self, key: K, value: V) -> V:
        """Keep `value` under `key`, unless the key is too long, and return it."""
        if len(key) <= self._longest:
            if len(self) >= self._entries:
                self.clear()
            self[key] = value
        return value
