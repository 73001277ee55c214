"""A bounded memo: what was decided of a name or a line, so that it is decided once."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedMemo(dict[K, V]):
    """A dict with `limit` entries at most: it is cleared before it would grow past them.

    To clear is one branch where an LRU costs each lookup; a client that sends new names all the time costs itself the
    memo and others a few decisions. `get` and `in` are those of dict.
    """

    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def remember(self, key: K, value: V) -> V:
        """Keep `value` under `key` and return it."""
        if len(self) >= self._limit:
            self.clear()
        self[key] = value
        return value
