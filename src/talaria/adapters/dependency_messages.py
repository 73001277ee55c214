"""What a dependency is asked, and what it answers. Imports no HTTP library: adapters need these types alone."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import msgspec

from talaria.domain.errors import DependencyFault, PartnerBadAnswer

LONGEST_RETRY_AFTER: Final = 86_400.0
JSON: Final = {"content-type": "application/json"}

_FIELD = re.compile(
    r"Object missing required field `\w+`( - at `[$.\w]+`)?|Expected `[\w |]+`, got `\w+`( - at `[$.\w]+`)?"
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One attempt as it is about to be sent, for a `Sign`. `target` is path and query, as in the request line."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


Sign = Callable[[SignedRequest], Mapping[str, str]]
"""The headers to add to an attempt. Called for each one: nonces, times and digests are its own."""


@dataclass(frozen=True, slots=True)
class DependencyResponse:
    """A response, all of it. Its repr shows no body: a body can hold a phone number.

    `headers` is a mapping without case. `bad_answer` is the dependency's own fault for what its contract does not say.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)
    bad_answer: Callable[[str], DependencyFault] = field(default=PartnerBadAnswer, compare=False)

    def __repr__(self) -> str:
        return f"<DependencyResponse {self.status}>"

    def json(self, shape: type[T]) -> T:
        """The body as a `shape` of msgspec; fields that the shape does not name are ignored.

        Raises `bad_answer` where it is no JSON, or not of this shape, or where a success names something twice: two
        programs could take it for two persons. The cause names a field that is missing or of another type, never a
        value: msgspec's other texts can quote the body, and are cut.
        """
        try:
            found = msgspec.json.decode(self.body, type=shape)
            if self.status < 300:
                json.loads(self.body, object_pairs_hook=_check_unique)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            named = _FIELD.fullmatch(str(error))
            which = f": {named[0]}" if named else ""
            raise self.bad_answer(f"status {self.status} without the JSON of the contract{which}") from None
        return found


RetryOn = Collection[int] | Callable[[DependencyResponse], bool]
"""Statuses, or a predicate, after which another attempt is worth its while."""


@dataclass(frozen=True, slots=True)
class DependencyRequest:
    """A question. `target` is below the base url; empty, it is the base url to the letter."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    sign: Sign | None = None
    retry_on: RetryOn = ()

    def asks_again(self, response: DependencyResponse) -> bool:
        """Whether this response is worth another attempt, by the question's own rule."""
        return self.retry_on(response) if callable(self.retry_on) else response.status in self.retry_on


def _check_unique(pairs: list[tuple[str, object]]) -> None:
    """Called for each object of a document; RFC 8259, section 4: names should be unique, or readers differ."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice in one object")


def retry_after_seconds(value: str, wall: float) -> float | None:
    """A `Retry-After` in seconds from now (RFC 9110, 10.2.3), at most a day; None where it is absent or malformed."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - wall
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def is_encoded(content_encoding: str) -> bool:
    """Whether a field value names a coding other than `identity`: without case, empty elements are none (RFC 9110)."""
    return any(coding.strip().lower() not in ("", "identity") for coding in content_encoding.split(","))
