"""What was worked out of a client's bytes, kept within a bound."""

from typing import Final, TypeVar

Value = TypeVar("Value")

_LONGEST_KEY: Final = 64


class BoundedMemo(dict[bytes, Value]):
    """A dict that forgets everything when it is full, so that no flood of odd keys stops it from learning for good.

    `entries`: how many it holds at most. A key of more than `longest` bytes is not kept.
    """

    __slots__ = ("_entries", "_longest")

    def __init__(self, entries: int, longest: int = _LONGEST_KEY) -> None:
        super().__init__()
        self._entries = entries
        self._longest = longest

    def remember(self, key: bytes, value: Value) -> Value:
        """Keep the value for this key, and give it back."""
        if len(key) <= self._longest:
            if len(self) >= self._entries:
                self.clear()
            self[key] = value
        return value
