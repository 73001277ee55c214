"""An exchange with every dependency in memory, on a loop that skips waiting times."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from talaria.domain.errors import (
    BadAnswer,
    CircuitOpen,
    DependencyFault,
    GatewayOverloaded,
    Overloaded,
    PartnerBadAnswer,
    Refusal,
    TimedOut,
    Unreachable,
)
from talaria.domain.events import ExchangeFinished, RequestContext
from talaria.domain.exchange import CachePolicy, Exchange
from talaria.domain.model import IdentityKey, PartnerUserId, PersonalPhoneId, Principal
from talaria.testing import (
    MemoryIdentityCache,
    MemoryPartnerAccounts,
    MemoryPhoneDirectory,
    MemoryRecorder,
)
from tests.unit.support_time import JumpingLoop, clock

PHONE = "+4915100000001"
PHONES = {"p-1": PHONE, "p-2": "+4915100000002"}


def person(name: str = "p-1", caller: str = "app") -> Principal:
    """The principal of a person with a token."""
    return Principal(caller, PersonalPhoneId(name))


def key_of(principal: Principal | None = None, partner: str = "wind") -> IdentityKey:
    """Where the pair of this principal, or of p-1, is cached."""
    found = principal or person()
    if found.phone_id is None:
        raise AssertionError("a principal without a person has no identity")
    return (partner, found.caller, found.phone_id)


def key(name: str = "p-1", caller: str = "app", partner: str = "wind") -> IdentityKey:
    """Under which a pair is kept."""
    return (partner, caller, PersonalPhoneId(name))


@dataclass
class World:
    """The exchange and what stands behind it. `jitter` may be changed at any time."""

    max_entries: int = 100
    max_age: float = 900.0
    negative_age: float = 10.0
    stale_if_error: float = 3600.0
    jitter: float = 0.0
    shed_cold: Callable[[], None] = lambda: None
    clock: JumpingLoop = field(default_factory=clock)
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)
    directory: MemoryPhoneDirectory = field(default_factory=lambda: MemoryPhoneDirectory(PHONES))

    def __post_init__(self) -> None:
        users: dict[str, str | Refusal] = {PHONE: "u-1", "+4915100000002": "u-2"}
        self.accounts = MemoryPartnerAccounts(users)
        self.others = MemoryPartnerAccounts({PHONE: "bolt-1"}, "bolt")
        self.identities = MemoryIdentityCache(self.max_entries)
        ages = CachePolicy(self.max_age, self.negative_age, self.stale_if_error, lambda: self.jitter)
        accounts = {"wind": self.accounts, "bolt": self.others}
        self.exchange = Exchange(
            self.directory, accounts, self.identities, ages, self.clock, self.recorder, self.shed_cold
        )

    @property
    def calls(self) -> tuple[int, int]:
        """How often personal and wind were asked."""
        return self.directory.script.calls, self.accounts.script.calls

    @property
    def results(self) -> list[str]:
        """How each exchange ended, in order."""
        return [event.result for event in self.recorder.events if isinstance(event, ExchangeFinished)]

    async def ask(
        self,
        principal: Principal | None = None,
        *,
        partner: str = "wind",
        within: float = 10.0,
        route: float = 10.0,
        context: RequestContext | None = None,
        max_age: float = inf,
    ) -> str:
        """One request's exchange: the user id, or what is raised. Times in seconds from now."""
        now = self.clock.now()
        found = await self.exchange.user_of(
            key_of(principal, partner),
            context or RequestContext("r-1"),
            now + within,
            now + max(within, route),
            max_age,
        )
        return found.reveal()

    def start(
        self, principal: Principal | None = None, *, within: float = 10.0, route: float = 10.0, max_age: float = inf
    ) -> "asyncio.Task[str]":
        """The same in the background."""
        return asyncio.create_task(self.ask(principal, within=within, route=route, max_age=max_age))

    def forget(self, used: str, principal: Principal | None = None) -> None:
        """The upstream does not know this user id."""
        self.exchange.forget(key_of(principal), PartnerUserId(used))

    def down(self, fault: Refusal | None) -> None:
        """personal fails from now on, or not any more."""
        self.directory.script.failing = fault


async def expired(stale_if_error: float = 3600.0) -> World:
    """One that keeps a pair of p-1 that has just expired."""
    world = World(stale_if_error=stale_if_error)
    await world.ask()
    world.clock.move(901)
    return world


async def in_trouble(stale_if_error: float = 3600.0) -> World:
    """The same, where personal has just failed once."""
    world = await expired(stale_if_error)
    world.directory.script.fail_next.append(Unreachable("personal"))
    await world.ask()
    return world


FAULTS: list[DependencyFault | GatewayOverloaded] = [
    Unreachable("personal", "refused"),
    BadAnswer("personal", "500"),
    TimedOut("personal"),
    Overloaded("personal", retry_after=1),
    Unreachable("partner"),
    PartnerBadAnswer(),
    TimedOut("partner"),
    Overloaded("partner"),
    CircuitOpen("personal"),
    CircuitOpen("partner"),
    GatewayOverloaded(),
]
"""Every way in which an exchange fails without a definite answer."""
