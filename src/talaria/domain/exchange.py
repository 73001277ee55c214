"""Step 3: personal_phone_id -> phone number -> partner user id.

The law of the exchange:

1. A pair is kept under (partner, caller, personal_phone_id), a tuple, and serves until its `fresh_until`. A definite
   "no such user" is kept likewise, for `negative_age`. A failure is never kept. A phone number is never kept.
2. At most one flight (exchange under way) for each key. Whoever comes meanwhile waits for the same flight; its result,
   good or bad, reaches all who wait.
3. A waiter may leave at any time and hurts nobody. When the last one leaves, the flight is cancelled, but for one that
   refreshes behind a stale answer.
4. A flight goes on for the longest time that the routes of its waiters allow; a hop is told how long that is when it
   begins. Each waiter leaves at its own deadline. Who may wait longer than the hop was told to, flies again.
5. A pair past `fresh_until` is exchanged again. Where that fails by a dependency's fault or our own load, or takes half
   of the waiter's time, the pair still serves until its `stale_until`. A definite answer (no such user, refused) always
   wins over a stale pair. For a moment after a dependency's fault stale pairs of this partner serve at once, with one
   refresh for each key tried behind them.
6. To forget a key also disowns its flight: what that flight brings is not kept, and nobody new joins it. A pair that
   was forgotten while somebody waited is not served to him either.

Only this file touches `Identities` and the flights, and only on the event loop.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from talaria.domain.ages import Ages
from talaria.domain.errors import (
    DependencyFault,
    GatewayOverloaded,
    IdentityUnknown,
    PartnerTimeout,
    PartnerUserUnknown,
    PersonalTimeout,
    TimedOut,
    UnknownUser,
)
from talaria.domain.model import (
    Attempt,
    Call,
    ExchangeEnded,
    ExchangeResult,
    Identity,
    IdentityKey,
    Journey,
    PartnerUserId,
    Person,
)
from talaria.domain.ports import Clock, Identities, PartnerAccounts, PhoneDirectory, Recorder

TROUBLE_SECONDS = 5.0
"""How long after a failure stale pairs serve without waiting for another try."""

_UNKNOWN: dict[str, type[UnknownUser]] = {r.reason: r for r in (IdentityUnknown, PartnerUserUnknown)}


@dataclass(slots=True, eq=False)
class _Flight:
    """One exchange under way, until `until` at most.

    `behind`: it goes on when nobody waits. `disowned`: what it brings is not kept. `hop_until`: what the hop under way
    was told.
    """

    until: float
    request_id: str
    hop_until: float = 0.0
    behind: bool = False
    disowned: bool = False
    waiters: int = 0
    hop: Literal["personal", "partner"] = "personal"
    attempts: list[Attempt] = field(default_factory=list)
    task: asyncio.Task[PartnerUserId] | None = None


class Exchange:
    """Exchanges ids as the law above says."""

    def __init__(
        self,
        directory: PhoneDirectory,
        accounts: Mapping[str, PartnerAccounts],
        identities: Identities,
        ages: Ages,
        clock: Clock,
        recorder: Recorder,
        admit_cold: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._accounts = accounts
        self._identities = identities
        self._ages = ages
        self._now = clock.now
        self._record = recorder.record
        self._admit_cold = admit_cold
        self._flights: dict[IdentityKey, _Flight] = {}
        self._trouble_until = dict.fromkeys(accounts, float("-inf"))
        self._hits = {partner: ExchangeEnded(partner, "hit") for partner in accounts}

    def recall(self, partner: str, person: Person, journey: Journey) -> PartnerUserId | None:
        """The user id of a pair that is kept and fresh, without waiting; None where `user_of` is to be asked.

        Raises UnknownUser's for a "no such user" that is kept.
        """
        kept = self._identities.get((partner, person.caller, person.phone_id))
        if kept is None or self._now() >= kept.fresh_until:
            return None
        if kept.user_id is not None:
            journey.exchange = "hit"
            self._record(self._hits[partner])
            return kept.user_id
        self._ended(partner, "negative", journey)
        raise _UNKNOWN[kept.unknown or ""]

    async def user_of(
        self, partner: str, person: Person, journey: Journey, deadline: float, until: float
    ) -> PartnerUserId:
        """The partner's user id of this person; says in `journey` how it was found.

        Times in monotonic seconds: this request waits until `deadline`, an exchange may go on until `until`, which is
        no earlier. So nobody's impatience looks like a dependency's fault.

        Raises UnknownUser's, DependencyFault's or GatewayOverloaded; past `deadline` the timeout of the hop that was
        under way.
        """
        recalled = self.recall(partner, person, journey)
        if recalled is not None:
            return recalled
        key = (partner, person.caller, person.phone_id)
        if self._now() < self._trouble_until[partner] and (stale := self._stale(key)) is not None:
            self._refresh_behind(key, journey, until)
            self._ended(partner, "stale", journey)
            return stale
        return await self._fly(key, journey, deadline, until)

    def forget(self, partner: str, person: Person, used: PartnerUserId) -> None:
        """Drop the pair that was used. Whatever has taken its place meanwhile, or is about to, stays."""
        key = (partner, person.caller, person.phone_id)
        kept = self._identities.get(key)
        if kept is not None and kept.user_id == used:
            self.invalidate(key)

    def invalidate(self, key: IdentityKey) -> bool:
        """Drop whatever is kept under this key, and what a flight is about to bring. False where there was nothing."""
        flight = self._flights.pop(key, None)
        if flight is not None:
            _disown(flight)
        return self._identities.drop(key) or flight is not None

    def invalidate_all(self) -> int:
        """Drop everything; how many pairs there were."""
        for flight in self._flights.values():
            _disown(flight)
        self._flights.clear()
        return self._identities.clear()

    def keep_apart(self, identities: Identities) -> None:
        """Use this memory from now on, and leave the one that was shared to others."""
        self._identities = identities

    async def close(self) -> None:
        """Give up the flights that nobody waits for any more."""
        tasks = [flight.task for flight in self._flights.values() if flight.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fly(self, key: IdentityKey, journey: Journey, deadline: float, until: float) -> PartnerUserId:
        flight = self._flights.get(key)
        joined: ExchangeResult = "miss" if flight is None else "coalesced"
        if flight is None:
            if self._stale(key) is None:  # who joins a flight costs the dependencies nothing
                self._admit(key[0], journey)
            flight = self._depart(key, journey, until)
        flight.until = max(flight.until, until)
        try:
            user_id = await self._wait(key, flight, journey, deadline)
        except (DependencyFault, GatewayOverloaded) as fault:
            stale = self._stale(key)
            if stale is None and isinstance(fault, TimedOut) and flight.hop_until <= self._now() < deadline:
                return await self._fly(key, journey, deadline, until)
            self._ended(key[0], "failed" if stale is None else "stale", journey)
            if stale is None:
                raise
            return stale
        except UnknownUser:
            self._ended(key[0], joined, journey)
            raise
        self._ended(key[0], joined, journey)
        return user_id

    def _admit(self, partner: str, journey: Journey) -> None:
        try:
            self._admit_cold()
        except GatewayOverloaded:
            self._ended(partner, "failed", journey)
            raise

    def _stale(self, key: IdentityKey) -> PartnerUserId | None:
        """The pair that may serve while the dependencies fail."""
        kept = self._identities.get(key)
        return kept.user_id if kept is not None and self._now() < kept.stale_until else None

    def _refresh_behind(self, key: IdentityKey, journey: Journey, until: float) -> None:
        if key not in self._flights:
            self._depart(key, journey, until).behind = True

    def _depart(self, key: IdentityKey, journey: Journey, until: float) -> _Flight:
        flight = self._flights[key] = _Flight(until, journey.request_id)
        flight.task = asyncio.create_task(self._exchange(key, flight))
        flight.task.add_done_callback(lambda task: self._landed(key, flight, task))
        return flight

    def _landed(self, key: IdentityKey, flight: _Flight, task: asyncio.Task[PartnerUserId]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # it has been seen: a flight behind a stale answer has nobody else to look at it

    async def _wait(self, key: IdentityKey, flight: _Flight, journey: Journey, deadline: float) -> PartnerUserId:
        if flight.task is None:
            raise AssertionError("a flight has a task from its start")
        now = self._now()
        stale = self._stale(key) is not None
        patience = (deadline - now) / 2 if stale else deadline - now
        flight.waiters += 1
        try:
            async with asyncio.timeout(max(0.0, patience)):
                return await asyncio.shield(flight.task)
        except TimeoutError:
            flight.behind = flight.behind or (stale and not flight.disowned)
            raise self._late(flight) from None
        finally:
            flight.waiters -= 1
            journey.attempts.extend(flight.attempts)
            if flight.waiters == 0 and not flight.behind and not flight.task.done():
                self._give_up(key, flight)

    def _give_up(self, key: IdentityKey, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.task is not None:
            flight.task.cancel()

    def _late(self, flight: _Flight) -> DependencyFault:
        fault = PersonalTimeout if flight.hop == "personal" else PartnerTimeout
        return fault("the request's time is up")

    async def _exchange(self, key: IdentityKey, flight: _Flight) -> PartnerUserId:
        partner, _, phone_id = key
        call = self._call(flight)  # a request that comes too late is nobody's trouble
        try:
            phone = await self._directory.phone_of(phone_id, call)
            flight.hop = "partner"
            user_id = await self._accounts[partner].user_of(phone, self._call(flight))
        except (IdentityUnknown, PartnerUserUnknown) as refusal:
            self._keep(key, flight, self._ages.of_unknown(refusal, self._now()))
            raise
        except UnknownUser:
            if not flight.disowned:
                self._identities.drop(key)
            raise
        except DependencyFault:
            self._trouble_until[partner] = self._now() + TROUBLE_SECONDS
            raise
        self._trouble_until[partner] = float("-inf")
        self._keep(key, flight, self._ages.of_pair(user_id, self._now()))
        return user_id

    def _call(self, flight: _Flight) -> Call:
        left = flight.until - self._now()
        if left <= 0:
            raise self._late(flight)
        flight.hop_until = flight.until
        return Call(flight.request_id, left, flight.attempts)

    def _keep(self, key: IdentityKey, flight: _Flight, identity: Identity) -> None:
        if not flight.disowned:
            self._identities.put(key, identity)

    def _ended(self, partner: str, result: ExchangeResult, journey: Journey) -> None:
        journey.exchange = result
        self._record(ExchangeEnded(partner, result))


def _disown(flight: _Flight) -> None:
    """What it brings is not kept; where nobody waits for it, it need not go on."""
    flight.disowned, flight.behind = True, False
    if flight.waiters == 0 and flight.task is not None:
        flight.task.cancel()
