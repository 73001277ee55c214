"""The exchange: personal_phone_id -> phone number or e-mail address -> partner user id, by the partner's hops.

Rules:

1. A pair is cached under (partner, caller, personal_phone_id), a tuple, and serves until its `fresh_until`. A definite
   "no such user" is cached likewise, for `negative_age`. A failure is never cached, nor a phone number or an address.
2. Singleflight: at most one flight (an exchange under way) for each key. A later request for the key joins the flight;
   the result, good or bad, reaches every waiter.
3. A waiter may leave at any time without an effect on the others. When the last one leaves, the flight is cancelled,
   unless it refreshes in the background.
4. A flight lasts at most as long as the longest route of its waiters allows; a hop gets its deadline when it begins.
   Each waiter leaves at its own deadline. A waiter with time left after the hop's timeout starts a new flight.
5. A pair past `fresh_until` is exchanged again. Where that fails by a dependency's fault or by our own load, or takes
   half of the waiter's time, the pair still serves until its `stale_until`. A definite answer (no such user, refused)
   always wins over a stale pair. For SERVE_STALE_SECONDS after a dependency's fault stale pairs of this partner serve
   at once, with one background refresh for each key.
6. A request may say how old a pair may be that serves it (`max_age`). An older one is exchanged again, and a stale one
   never serves it. The result of a flight that it joins is young.
7. Invalidation detaches the flight: its result is not cached, and no request joins it any more. Its waiters do not get
   the invalidated pair as a stale one either; one that gave it half of its time for that pair starts a new flight.

A request reads and writes the cache through this file only, on the event loop; a reload may evict from it and resize
it (see `GatewayServer`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from types import MappingProxyType
from typing import Literal

from talaria.domain.errors import (
    DependencyFault,
    GatewayOverloaded,
    IdentityUnknown,
    PartnerUserUnknown,
    TimedOut,
    UnknownUser,
)
from talaria.domain.events import PERSONAL_SPAN, Attempt, ExchangeFinished, HopContext, RequestContext, Trace
from talaria.domain.model import (
    PHONE_HOPS,
    CachedIdentity,
    ExchangeResult,
    Hop,
    Identity,
    IdentityKey,
    PartnerUserId,
    PersonalPhoneId,
)
from talaria.domain.ports import Clock, IdentityCache, PartnerAccounts, PhoneDirectory, Recorder

SERVE_STALE_SECONDS = 5.0
"""How long after a fault stale pairs serve without waiting for another try."""

TIMER_SLACK = 0.005
"""Timers of an event loop may fire so many seconds early."""

_UNKNOWN: dict[str, type[UnknownUser]] = {r.reason: r for r in (IdentityUnknown, PartnerUserUnknown)}


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long exchange results serve, in seconds (RFC 5861: `stale_if_error`).

    `jitter` gives 0 to 1: up to a tenth is taken off `max_age`.
    """

    max_age: float
    negative_age: float
    stale_if_error: float
    jitter: Callable[[], float]

    def pair(self, user_id: PartnerUserId, now: float) -> CachedIdentity:
        """A pair that is fresh from `now`."""
        fresh_until = now + self.max_age * (1 - 0.1 * self.jitter())
        return CachedIdentity(user_id, None, fresh_until, fresh_until + self.stale_if_error, now)

    def negative(self, refusal: IdentityUnknown | PartnerUserUnknown, now: float) -> CachedIdentity:
        """A "no such user" from `now`."""
        return CachedIdentity(None, refusal.reason, now + self.negative_age, now + self.negative_age, now)


@dataclass(slots=True, eq=False)
class _Flight:
    """One exchange under way, until `deadline` at most.

    `background`: it goes on without waiters. `invalidated`: its result is not cached. `hop_deadline`: the deadline that
    the hop under way got.
    """

    deadline: float
    request_id: str
    person: str
    draw: float
    trace: Trace | None = None
    hop_deadline: float = 0.0
    background: bool = False
    invalidated: bool = False
    waiters: int = 0
    hop: Literal["personal", "partner"] = "personal"
    attempts: list[Attempt] = field(default_factory=list)
    task: asyncio.Task[PartnerUserId] = field(init=False)


class Exchange:
    """Exchanges ids as the rules above say. `hops` of a partner: personal, and then the partner.

    `identities` is the cache in use.
    """

    def __init__(
        self,
        directory: PhoneDirectory,
        accounts: Mapping[str, PartnerAccounts],
        identities: IdentityCache,
        policy: CachePolicy,
        clock: Clock,
        recorder: Recorder,
        shed_cold: Callable[[], None] = lambda: None,
        hops: Mapping[str, Sequence[Hop]] = MappingProxyType({}),
    ) -> None:
        retrieve: dict[Hop, Callable[[PersonalPhoneId, HopContext], Awaitable[Identity]]] = {
            "personal.phone": directory.phone_of,
            "personal.email": directory.email_of,
        }
        self._retrieve = {partner: retrieve[hops.get(partner, PHONE_HOPS)[0]] for partner in accounts}
        self._accounts = accounts
        self.identities = identities
        self._policy = policy
        self._now = clock.now
        self._record = recorder.record
        self._shed_cold = shed_cold
        self._flights: dict[IdentityKey, _Flight] = {}
        self._serve_stale_until = dict.fromkeys(accounts, float("-inf"))
        self._hits = {partner: ExchangeFinished(partner, "hit") for partner in accounts}

    def cached(self, key: IdentityKey, context: RequestContext, max_age: float = inf) -> PartnerUserId | None:
        """The user id of a fresh pair, `max_age` seconds old at most; None where `user_of` is to find one.

        Raises an UnknownUser for a fresh "no such user".
        """
        identity, now = self.identities.get(key), self._now()
        if identity is None or now >= identity.fresh_until:
            return None
        if identity.user_id is None:
            self._finish(key, "negative", context)
            raise _UNKNOWN[identity.unknown or ""]
        if now - identity.exchanged_at > max_age:
            return None
        self.count_hit(key, context)
        return identity.user_id

    def count_hit(self, key: IdentityKey, context: RequestContext) -> None:
        """A cached pair serves this request."""
        context.exchange = "hit"
        self._record(self._hits[key[0]])

    def fresh_for(self, key: IdentityKey, max_age: float = inf) -> float:
        """Seconds for which what is cached under this key is fresh and not past `max_age`; 0.0 where nothing is."""
        identity = self.identities.get(key)
        if identity is None:
            return 0.0
        return max(0.0, min(identity.fresh_until, identity.exchanged_at + max_age) - self._now())

    async def user_of(
        self,
        key: IdentityKey,
        context: RequestContext,
        deadline: float,
        flight_deadline: float,
        max_age: float = inf,
    ) -> PartnerUserId:
        """The partner's user id of this person; writes to `context` how it was found.

        Times in monotonic seconds: this request waits until `deadline`, an exchange may go on until `flight_deadline`,
        which is no earlier. So a client's short deadline never looks like a dependency's fault. `max_age`: rule 6.

        Raises an UnknownUser, a DependencyFault or GatewayOverloaded; past `deadline` the TimedOut of the hop that was
        under way.
        """
        if (user_id := self.cached(key, context, max_age)) is not None:
            return user_id
        if self._now() < self._serve_stale_until[key[0]] and (stale := self._stale(key, max_age)) is not None:
            if key not in self._flights:
                self._start(key, context, flight_deadline).background = True
            self._finish(key, "stale", context)
            return stale
        return await self._join_or_start(key, context, deadline, flight_deadline, max_age)

    def forget(self, key: IdentityKey, used: PartnerUserId) -> None:
        """Invalidate the pair that was used, one that was evicted too. A pair that has replaced it, or is about to,
        stays.
        """
        identity = self.identities.get(key)
        if identity is None:
            self.identities.drop(key)
        elif identity.user_id == used:
            self.invalidate(key)

    def invalidate(self, key: IdentityKey) -> bool:
        """Drop what is cached under this key, and what a flight is about to bring. False where there was neither."""
        flight = self._flights.pop(key, None)
        if flight is not None:
            _detach(flight)
        return self.identities.drop(key) or flight is not None

    def invalidate_all(self) -> int:
        """Drop everything; returns the number of pairs."""
        for flight in self._flights.values():
            _detach(flight)
        self._flights.clear()
        return self.identities.clear()

    def detach_cache(self, identities: IdentityCache) -> None:
        """Use this cache from now on, and leave the shared one to others."""
        self.identities = identities

    async def close(self) -> None:
        """Cancel the flights that are left."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _join_or_start(
        self, key: IdentityKey, context: RequestContext, deadline: float, flight_deadline: float, max_age: float
    ) -> PartnerUserId:
        flight = self._flights.get(key)
        joined: ExchangeResult = "miss" if flight is None else "coalesced"
        context.joined = None if flight is None else flight.trace
        if flight is None:
            if self._stale(key, max_age) is None:  # joining a flight costs the dependencies nothing
                self._shed(key, context)
            flight = self._start(key, context, flight_deadline)
        flight.deadline = max(flight.deadline, flight_deadline)
        try:
            user_id = await self._wait(key, flight, context, deadline, max_age)
        except (DependencyFault, GatewayOverloaded) as fault:
            stale = self._stale(key, max_age)
            if stale is None and isinstance(fault, TimedOut) and self._may_start_anew(flight, deadline):
                return await self._join_or_start(key, context, deadline, flight_deadline, max_age)
            self._finish(key, "failed" if stale is None else "stale", context)
            if stale is None:
                raise
            return stale
        except UnknownUser:
            self._finish(key, joined, context)
            raise
        self._finish(key, joined, context)
        return user_id

    def _may_start_anew(self, flight: _Flight, deadline: float) -> bool:
        """Has a waiter until `deadline` time left, where that of the flight's hop is over, or the half that it gave the
        flight for the sake of a stale pair which was invalidated meanwhile?
        """
        now = self._now()
        hop_is_over = flight.hop_deadline - TIMER_SLACK <= now
        return now < deadline - TIMER_SLACK and (hop_is_over or (flight.invalidated and not flight.task.done()))

    def _shed(self, key: IdentityKey, context: RequestContext) -> None:
        try:
            self._shed_cold()
        except GatewayOverloaded:
            self._finish(key, "failed", context)
            raise

    def _stale(self, key: IdentityKey, max_age: float) -> PartnerUserId | None:
        """The pair that may serve while the dependencies fail."""
        identity = self.identities.get(key) if max_age == inf else None
        return identity.user_id if identity is not None and self._now() < identity.stale_until else None

    def _start(self, key: IdentityKey, context: RequestContext, flight_deadline: float) -> _Flight:
        flight = self._flights[key] = _Flight(
            flight_deadline, context.request_id, context.person, draw_of(key[2]), context.trace
        )
        flight.task = asyncio.create_task(self._exchange(key, flight))
        flight.task.add_done_callback(lambda task: self._on_done(key, flight, task))
        return flight

    def _on_done(self, key: IdentityKey, flight: _Flight, task: asyncio.Task[PartnerUserId]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # retrieved: a background refresh has no waiter that would

    async def _wait(
        self, key: IdentityKey, flight: _Flight, context: RequestContext, deadline: float, max_age: float
    ) -> PartnerUserId:
        now = self._now()
        stale = self._stale(key, max_age) is not None
        seconds = (deadline - now) / 2 if stale else deadline - now
        flight.waiters += 1
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await asyncio.shield(flight.task)
        except TimeoutError:
            flight.background = flight.background or (stale and not flight.invalidated)
            raise _timed_out(flight) from None
        finally:
            flight.waiters -= 1
            context.attempts.extend(flight.attempts)
            if flight.waiters == 0 and not flight.background:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                flight.task.cancel()

    async def _exchange(self, key: IdentityKey, flight: _Flight) -> PartnerUserId:
        partner, _, phone_id = key
        hop = self._begin_hop(flight)  # outside of `try`: a request that comes too late is no dependency's fault
        try:
            identity = await self._retrieve[partner](phone_id, hop)
            flight.hop = "partner"
            user_id = await self._accounts[partner].user_of(identity, self._begin_hop(flight))
        except (IdentityUnknown, PartnerUserUnknown) as refusal:
            self._cache(key, flight, self._policy.negative(refusal, self._now()))
            raise
        except UnknownUser:
            if not flight.invalidated:
                self.identities.drop(key)
            raise
        except DependencyFault:
            self._serve_stale_until[partner] = self._now() + SERVE_STALE_SECONDS
            raise
        self._serve_stale_until[partner] = float("-inf")
        self._cache(key, flight, self._policy.pair(user_id, self._now()))
        return user_id

    def _begin_hop(self, flight: _Flight) -> HopContext:
        seconds = flight.deadline - self._now()
        if seconds <= 0:
            raise _timed_out(flight)
        flight.hop_deadline = flight.deadline
        return HopContext(flight.request_id, seconds, flight.attempts, flight.person, flight.draw, _traceparent(flight))

    def _cache(self, key: IdentityKey, flight: _Flight, identity: CachedIdentity) -> None:
        if not flight.invalidated:
            self.identities.put(key, identity)

    def _finish(self, key: IdentityKey, result: ExchangeResult, context: RequestContext) -> None:
        context.exchange = result
        self._record(ExchangeFinished(key[0], result))


def draw_of(phone_id: PersonalPhoneId) -> float:
    """A number from 0 to 1 for this person, spread evenly over all of them."""
    return int.from_bytes(sha256(phone_id.reveal().encode()).digest()[:8]) / (1 << 64)


def _traceparent(flight: _Flight) -> str:
    """For personal alone: a partner is told of no trace. A refresh in the background is part of no request's."""
    if flight.trace is None or flight.hop != "personal" or flight.background:
        return ""
    return flight.trace.parent_of(PERSONAL_SPAN)


def _timed_out(flight: _Flight) -> TimedOut:
    return TimedOut(flight.hop, "the request's time is up")


def _detach(flight: _Flight) -> None:
    """Its result is not cached; without waiters it need not go on."""
    flight.invalidated, flight.background = True, False
    if flight.waiters == 0:
        flight.task.cancel()
