"""The answer of a dependency, and what its parts mean."""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from talaria.domain.errors import DependencyFault

LONGEST_RETRY_AFTER = 86_400.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Its repr shows no body: a body can hold a phone number."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"<Reply {self.status}>"

    def json(self, shape: type[T], broken: Callable[[str], DependencyFault]) -> T:
        """The body as a `shape` of msgspec; fields that the shape does not name are ignored.

        Raises `broken` where it is no JSON, or not of this shape. The library's own text can quote the body: it is cut.
        """
        try:
            return msgspec.json.decode(self.body, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise broken(f"status {self.status} without the JSON of the contract") from None


def seconds_of(retry_after: str, wall: float) -> float | None:
    """A `Retry-After` in seconds from now (RFC 9110, 10.2.3), at most a day; None where it is absent or nonsense."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - wall
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
