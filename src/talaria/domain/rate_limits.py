"""Rate limits: the generic cell rate algorithm (ITU-T I.371), for one key or many. Pure: time is an argument.

Rules:

1. A limit admits `burst` requests at once and `per_second` in the long run: in any span of s seconds, no more than
   `burst + s * per_second`. A key that was idle for `burst / per_second` seconds has its whole burst again.
2. A refused request takes nothing, so a client that keeps asking is admitted as soon as one that waits.
3. A request that one limit refuses takes nothing of another one either: a person over its limit does not use up its
   caller's.
4. Memory is bounded. What a key has used is forgotten once its burst is whole again, and earlier only where more keys
   than `entries / 2` ask within that time: such a key starts with a whole burst.
"""

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from talaria.domain.errors import RateLimited
from talaria.domain.model import Principal

ENTRIES = 200_000

_SLACK = 1e-3
"""Of one request: what rounding may take from a burst."""


class RateLimit(NamedTuple):
    """So many requests a second in the long run, and so many at once."""

    per_second: float = 1.0
    burst: int = 1


class RateLimiter:
    """One limit, for each key by itself.

    A key's state is one number: the theoretical arrival time of its next request. Times are counted in requests
    (seconds times `per_second`), so that one request is exactly 1.0 and a burst adds up without an error.
    """

    __slots__ = ("_half", "_older", "_per_second", "_room", "_span", "_turn", "_younger")

    def __init__(self, limit: RateLimit, entries: int = ENTRIES) -> None:
        self._per_second = limit.per_second
        self._span = limit.burst
        self._room = limit.burst - 1 + _SLACK
        self._half = max(1, entries // 2)
        self._younger: dict[Hashable, list[float]] = {}
        self._older: dict[Hashable, list[float]] = {}
        self._turn = float("-inf")

    def take(self, key: Hashable, now: float) -> float:
        """Count a request of this key and give 0.0; or count none, and give the seconds until one is admitted."""
        at = now * self._per_second
        cell = self._younger.get(key) or self._recalled(key, at)
        arrival = cell[0]
        if arrival - at > self._room:
            return (arrival - at - self._room) / self._per_second
        cell[0] = (arrival if arrival > at else at) + 1.0
        return 0.0

    def give_back(self, key: Hashable) -> None:
        """Uncount the request that was taken just now."""
        if cell := self._younger.get(key):
            cell[0] -= 1.0

    @property
    def size(self) -> int:
        """How many keys are remembered."""
        return len(self._younger) + len(self._older)

    def _recalled(self, key: Hashable, at: float) -> list[float]:
        """The state of a key that was not asked for since the last turn.

        At a turn the older half goes: its bursts are whole again, unless the turn came because the younger is full.
        """
        if at >= self._turn or len(self._younger) >= self._half:
            self._older, self._younger = self._younger, {}
            self._turn = at + self._span
        cell = self._younger[key] = self._older.pop(key, [at])
        return cell


class CallerRateLimits:
    """The limit of each caller, and the limit of each of its persons, by the caller's name; none for the others."""

    def __init__(self, callers: Mapping[str, RateLimiter], persons: Mapping[str, RateLimiter]) -> None:
        self._callers = callers
        self._persons = persons

    def __bool__(self) -> bool:
        return bool(self._callers or self._persons)

    def check(self, principal: Principal, now: float) -> None:
        """Count one request. Raises RateLimited, the caller's limit before the person's."""
        name, phone_id = principal.caller, principal.phone_id
        caller, persons = self._callers.get(name), self._persons.get(name)
        if caller is not None and (wait := caller.take(name, now)):
            raise RateLimited(f"callers.{name}.rate_limit", retry_after=wait)
        if persons is not None and phone_id is not None and (wait := persons.take(phone_id, now)):
            if caller is not None:
                caller.give_back(name)
            raise RateLimited(f"callers.{name}.person_rate_limit", retry_after=wait)
