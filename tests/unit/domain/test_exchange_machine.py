"""All rules of the exchange, but for deadlines, against a plain model: hypothesis chooses what happens when."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from talaria.domain.errors import IdentityUnknown, PartnerUserRefused, Refusal, Unreachable
from talaria.domain.exchange import SERVE_STALE_SECONDS
from tests.unit.domain.support_exchange import World, key, person
from tests.unit.domain.support_time import JumpingLoop, settle

Mode = Literal["up", "down", "unknown", "refused"]
FAILING: dict[Mode, Refusal | None] = {
    "up": None,
    "down": Unreachable("personal"),
    "unknown": IdentityUnknown(),
    "refused": PartnerUserRefused(),
}
NAMES = ["p-1", "p-2", "p-3"]
names = st.sampled_from(NAMES)
FOR_EVER = 1e9


@dataclass
class Pair:
    """What the model keeps: `user` is None for a "no such user"."""

    user: str | None
    fresh_until: float
    stale_until: float


@dataclass
class Flight:
    """An exchange that waits at the gate, and the numbers of its waiters."""

    name: str
    behind: bool = False
    invalidated: bool = False
    waiters: list[int] = field(default_factory=list)


class ExchangeMachine(RuleBasedStateMachine):
    """Three persons; personal stands behind a gate and is up, down, or says no."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = JumpingLoop()
        self.world = self.loop.run_until_complete(self._build())
        self.mode: Mode = "up"
        self.open = True
        self.users = dict.fromkeys(NAMES, "u-0")
        self.kept: dict[str, Pair] = {}
        self.flying: dict[str, Flight] = {}
        self.aloft: list[Flight] = []
        self.trouble_until = 0.0
        self.calls = 0
        self.tasks: list[asyncio.Task[str]] = []
        self.expected: list[str | None] = []

    async def _build(self) -> World:
        world = World()
        world.directory.phones = {name: f"+49151000000{i}" for i, name in enumerate(NAMES)}
        world.accounts.users = dict.fromkeys(world.directory.phones.values(), "u-0")
        return world

    def teardown(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(settle())
        self.loop.close()

    # What can happen

    @rule(name=names)
    def ask(self, name: str) -> None:
        async def begin() -> None:
            self.tasks.append(self.world.start(person(name), within=FOR_EVER, route=FOR_EVER))

        self.loop.run_until_complete(begin())
        self.expected.append(None)
        self._model_ask(name, len(self.tasks) - 1)

    @rule(name=names)
    def leave(self, name: str) -> None:
        for flight in self.aloft:
            if flight.name == name and flight.waiters:
                gone = flight.waiters.pop(0)
                self.tasks[gone].cancel()
                self.expected[gone] = "CancelledError"
                if not flight.waiters and not flight.behind:
                    self._remove(flight)
                return

    @rule(mode=st.sampled_from(sorted(FAILING)))
    def turn(self, mode: Mode) -> None:
        self.mode = mode
        self.world.directory.script.failing = FAILING[mode]

    @rule()
    def shut(self) -> None:
        self.open = False
        self.world.directory.script.gate.clear()

    @rule()
    def unbar(self) -> None:
        self.open = True
        self.world.directory.script.gate.set()
        for flight in list(self.aloft):
            self._model_land(flight)

    @rule(seconds=st.sampled_from([0.5, SERVE_STALE_SECONDS, 10.0, 300.0, 900.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.loop.move(seconds)

    @rule(name=names, user=st.sampled_from(["u-0", "u-1"]))
    def rename(self, name: str, user: str) -> None:
        self.users[name] = user
        self.world.accounts.users[self.world.directory.phones[name]] = user

    @rule(name=names, used=st.sampled_from(["u-0", "u-1"]))
    def forget(self, name: str, used: str) -> None:
        self.world.forget(used, person(name))
        if name in self.kept and self.kept[name].user == used:
            self._model_invalidate(name)

    @rule(name=names)
    def invalidate(self, name: str) -> None:
        there = name in self.kept or name in self.flying
        assert self.world.exchange.invalidate(key(name)) == there
        self._model_invalidate(name)

    @rule()
    def invalidate_all(self) -> None:
        assert self.world.exchange.invalidate_all() == len(self.kept)
        for name in NAMES:
            self._model_invalidate(name)

    @precondition(lambda self: self.kept)
    @rule(name=names)
    def evict(self, name: str) -> None:
        self.world.identities.drop(key(name))
        self.kept.pop(name, None)

    # What the model says of it

    def _model_ask(self, name: str, number: int) -> None:
        now, pair = self.loop.now(), self.kept.get(name)
        if pair and now < pair.fresh_until:
            self.expected[number] = pair.user or "IdentityUnknown"
            return
        if pair and pair.user and now < pair.stale_until and now < self.trouble_until:
            self.expected[number] = pair.user
            if name not in self.flying:
                self._model_depart(name).behind = True
        else:
            flight = self.flying.get(name) or self._model_depart(name)
            flight.waiters.append(number)
        if self.open:
            for flight in list(self.aloft):
                self._model_land(flight)

    def _model_depart(self, name: str) -> Flight:
        flight = self.flying[name] = Flight(name)
        self.aloft.append(flight)
        self.calls += 1
        return flight

    def _model_land(self, flight: Flight) -> None:
        now, name = self.loop.now(), flight.name
        outcome = self._model_outcome(flight, now)
        self._remove(flight)
        pair = self.kept.get(name)
        if self.mode == "down" and pair and pair.user and now < pair.stale_until:
            outcome = pair.user
        for number in flight.waiters:
            self.expected[number] = outcome

    def _model_outcome(self, flight: Flight, now: float) -> str:
        name = flight.name
        if self.mode == "down":
            self.trouble_until = now + SERVE_STALE_SECONDS
        elif self.mode == "up":
            self.trouble_until = 0.0
            if not flight.invalidated:
                self.kept[name] = Pair(self.users[name], now + 900, now + 4500)
            return self.users[name]
        elif self.mode == "unknown" and not flight.invalidated:
            self.kept[name] = Pair(None, now + 10, now + 10)
        elif self.mode == "refused" and not flight.invalidated:
            self.kept.pop(name, None)
        return type(FAILING[self.mode]).__name__

    def _model_invalidate(self, name: str) -> None:
        self.kept.pop(name, None)
        flight = self.flying.pop(name, None)
        if flight is not None:
            flight.invalidated, flight.behind = True, False
            if not flight.waiters:
                self.aloft.remove(flight)

    def _remove(self, flight: Flight) -> None:
        self.aloft.remove(flight)
        if self.flying.get(flight.name) is flight:
            del self.flying[flight.name]

    # What must always hold

    @invariant()
    def both_are_alike(self) -> None:
        self.loop.run_until_complete(settle())
        assert [_end_of(task) for task in self.tasks] == self.expected
        assert self.world.directory.script.calls == self.calls
        waiting = sum(len(flight.waiters) for flight in self.aloft)
        assert len(asyncio.all_tasks(self.loop)) == len(self.aloft) + waiting
        for name in NAMES:
            kept, pair = self.world.identities.get(key(name)), self.kept.get(name)
            assert (kept is None) == (pair is None)
            if kept and pair:
                assert (kept.user_id and kept.user_id.reveal()) == pair.user
                assert (kept.fresh_until, kept.stale_until) == (pair.fresh_until, pair.stale_until)


def _end_of(task: "asyncio.Task[str]") -> str | None:
    if not task.done():
        return None
    if task.cancelled():
        return "CancelledError"
    error = task.exception()
    return task.result() if error is None else type(error).__name__


ExchangeMachine.TestCase.settings = settings(stateful_step_count=30)
TestExchange = ExchangeMachine.TestCase
