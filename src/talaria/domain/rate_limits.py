"""Rate limits: the generic cell rate algorithm (ITU-T I.371), for one key or many. Pure: time is an argument.

Rules:

1. A limit admits `burst` requests at once and `per_second` in the long run: in any span of s seconds, no more than
   `burst + s * per_second`. A key that was idle for `burst / per_second` seconds has its whole burst again.
2. A refused request takes nothing, so a client that keeps asking is admitted as soon as one that waits.
3. A request that one limit refuses takes nothing of another one either: a person over its limit does not use up its
   caller's.
4. Limiters of one name and limit over one memory are one, in whichever process and configuration they are.
5. Memory is bounded (arrival_times.py). What a key has used is forgotten once its burst is whole again, and earlier
   only where its row has no room: such a key starts with a whole burst.
6. Where the lock of the memory can't be had, a request is admitted and counts for nothing.
"""

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from talaria.domain.arrival_times import ArrivalTimes, Lock
from talaria.domain.errors import RateLimited
from talaria.domain.model import Principal

_SLACK = 1e-3
"""Of one request: what rounding may take from a burst."""


class RateLimit(NamedTuple):
    """So many requests a second in the long run, and so many at once."""

    per_second: float = 1.0
    burst: int = 1


class RateLimiter:
    """One limit, for each key by itself. `name`: of its setting.

    A key's state is one number: the theoretical arrival time of its next request. Times are counted in requests
    (seconds times `per_second`), so that one request is exactly 1.0 and a burst adds up without an error.
    """

    __slots__ = ("_name", "_per_second", "_room", "_times")

    def __init__(self, name: str, limit: RateLimit, times: ArrivalTimes) -> None:
        # The hash of a text is keyed by a secret of the process, which its forks share: SipHash.
        self._name = hash((name, limit))
        self._per_second = limit.per_second
        self._room = limit.burst - 1 + _SLACK
        self._times = times

    def take(self, key: Hashable, now: float) -> float:
        """Count a request of this key and give 0.0; or count none, and give the seconds until one is admitted."""
        lock = self._times.lock
        if not lock.acquire():
            return 0.0
        try:
            return self.take_locked(key, now)
        finally:
            lock.release()

    def take_locked(self, key: Hashable, now: float) -> float:
        """The same for the holder of the lock."""
        times, at = self._times, now * self._per_second
        cell = times.cell_of(hash((self._name, key)))
        arrival = times.arrivals[cell]
        if arrival - at > self._room:
            return (arrival - at - self._room) / self._per_second
        times.arrivals[cell] = arrival = (arrival if arrival > at else at) + 1.0
        times.whole_at[cell] = arrival / self._per_second
        return 0.0

    def give_back_locked(self, key: Hashable) -> None:
        """Uncount the request that was taken just now, under the same lock."""
        self._times.arrivals[self._times.cell_of(hash((self._name, key)))] -= 1.0


class CallerRateLimits:
    """The limit of each caller, and the limit of each of its persons, by the caller's name; none for the others.

    All are over memory of one `lock`.
    """

    def __init__(self, callers: Mapping[str, RateLimiter], persons: Mapping[str, RateLimiter], lock: Lock) -> None:
        self._callers = callers
        self._persons = persons
        self._lock = lock

    def __bool__(self) -> bool:
        return bool(self._callers or self._persons)

    def check(self, principal: Principal, now: float) -> None:
        """Count one request. Raises RateLimited, the caller's limit before the person's."""
        name = principal.caller
        caller, persons = self._callers.get(name), self._persons.get(name)
        if (caller is None and persons is None) or not self._lock.acquire():
            return
        try:
            if caller is not None and (wait := caller.take_locked(name, now)):
                raise RateLimited(f"callers.{name}.rate_limit", retry_after=wait)
            phone_id = principal.phone_id
            if persons is not None and phone_id is not None and (wait := persons.take_locked(phone_id, now)):
                if caller is not None:
                    caller.give_back_locked(name)
                raise RateLimited(f"callers.{name}.person_rate_limit", retry_after=wait)
        finally:
            self._lock.release()
