"""All rules of the exchange, but for deadlines, against a plain model: hypothesis chooses what happens when."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from talaria.domain.errors import IdentityUnknown, PartnerUserRefused, Refusal, Unreachable
from talaria.domain.exchange import SERVE_STALE_SECONDS
from tests.support_examples import times
from tests.unit.domain.support_exchange import World, key, person
from tests.unit.support_time import JumpingLoop, settle

Mode = Literal["up", "down", "unknown", "refused"]
FAILING: dict[Mode, Refusal | None] = {
    "up": None,
    "down": Unreachable("personal"),
    "unknown": IdentityUnknown(),
    "refused": PartnerUserRefused(),
}
NAMES = ["p-1", "p-2"]
names = st.sampled_from(NAMES)
FOR_EVER = 1e9

BRANCHES = (
    "a hit", "a negative", "stale at once", "a background refresh", "a flight starts", "a flight is joined",
    "the last waiter leaves", "another waiter leaves", "a background refresh outlasts its waiter",
    "lands up", "lands down", "lands down, stale", "lands unknown", "lands refused",
    "lands up, invalidated", "lands down, invalidated", "lands unknown, invalidated", "lands refused, invalidated",
    "refused, a pair goes", "a flight is detached", "a background refresh is detached", "a pair is forgotten",
    "another pair is not forgotten", "trouble ends", "too old a pair", "no stale pair serves",
)  # fmt: skip
reached: Counter[str] = Counter()
"""How often the model took each of its branches: a machine that never flies holds for anything."""


@dataclass
class Pair:
    """What the model keeps: `user` is None for a "no such user"."""

    user: str | None
    exchanged_at: float
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
    """Two persons; personal stands behind a gate and is up, down, or says no."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = JumpingLoop()
        self.loop.set_task_factory(self._task)
        self.running: list[asyncio.Task[Any]] = []
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
        self.strict: set[int] = set()

    async def _build(self) -> World:
        world = World()
        world.directory.phones = {name: f"+49151000000{i}" for i, name in enumerate(NAMES)}
        world.accounts.users = dict.fromkeys(world.directory.phones.values(), "u-0")
        return world

    def _task(self, loop: asyncio.AbstractEventLoop, main: Any, **more: Any) -> asyncio.Task[Any]:
        self.running.append(asyncio.Task(main, loop=loop, **more))
        return self.running[-1]

    def teardown(self) -> None:
        for task in self.running:
            task.cancel()
        self.loop.run_until_complete(settle())
        self.loop.close()

    # What can happen

    @rule(name=names)
    def ask(self, name: str, max_age: float = inf) -> None:
        async def begin() -> None:
            self.tasks.append(self.world.start(person(name), within=FOR_EVER, route=FOR_EVER, max_age=max_age))

        self.loop.run_until_complete(begin())
        self.expected.append(None)
        if max_age < inf:
            self.strict.add(len(self.tasks) - 1)
        self._model_ask(name, len(self.tasks) - 1, max_age)

    @rule(name=names, max_age=st.sampled_from([3.0, 2000.0]))
    def ask_for_a_young_one(self, name: str, max_age: float) -> None:
        self.ask(name, max_age)

    @precondition(lambda self: any(flight.waiters for flight in self.aloft))
    @rule(last=st.booleans())
    def leave(self, last: bool) -> None:
        """One of a flight's waiters, or all of them, one after the other."""
        flight = next(flight for flight in reversed(self.aloft) if flight.waiters)
        while flight.waiters:
            left = flight.waiters.pop(0)
            self.tasks[left].cancel()
            self.expected[left] = "CancelledError"
            if not last:
                break
        if flight.waiters:
            reached["another waiter leaves"] += 1
        elif flight.behind:
            reached["a background refresh outlasts its waiter"] += 1
        else:
            reached["the last waiter leaves"] += 1
            self._remove(flight)

    def turn(self, mode: Mode) -> None:
        self.mode = mode
        self.world.directory.script.failing = FAILING[mode]

    @rule(wide=st.booleans(), mode=st.sampled_from(sorted(FAILING)))
    def gate(self, wide: bool, mode: Mode) -> None:
        self.turn(mode)
        self.open = wide
        if not wide:
            self.world.directory.script.gate.clear()
            return
        self.world.directory.script.gate.set()
        for flight in list(self.aloft):
            self._model_land(flight)

    @precondition(lambda self: self.aloft)
    @rule(mode=st.sampled_from(sorted(FAILING)))
    def land(self, mode: Mode) -> None:
        self.gate(wide=True, mode=mode)

    @rule(name=names, last=st.booleans())
    def crowd(self, name: str, last: bool) -> None:
        """Two wait for the same, and then fewer."""
        self.gate(wide=False, mode=self.mode)
        self.ask(name)
        self.ask(name)
        self.both_are_alike()
        if self.aloft and self.aloft[-1].waiters:
            self.leave(last=last)

    @rule(mode=st.sampled_from(sorted(FAILING)), name=names)
    def land_detached(self, mode: Mode, name: str) -> None:
        self.gate(wide=False, mode=mode)
        self.drop(name=name, how="one")
        self.ask(name)
        self.both_are_alike()
        self.drop(name=name, how="one")
        self.gate(wide=True, mode=mode)

    @rule(seconds=st.sampled_from([0.5, SERVE_STALE_SECONDS, 10.0, 901.0, 901.0, 901.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.loop.move(seconds)

    @precondition(lambda self: any(pair.user for pair in self.kept.values()))
    @rule(name=names, again=names, later=st.booleans(), then=st.sampled_from(["leave", "drop", "nothing"]))
    def fail_after_expiry(self, name: str, again: str, later: bool, then: str) -> None:
        """The way to all that a stale pair does, which chance alone hardly finds."""
        self.loop.move(901.0)
        self.gate(wide=True, mode="down")
        self.ask(name)
        self.both_are_alike()
        self.gate(wide=False, mode="down")
        self.ask(again)
        if later:
            self.both_are_alike()
            self.loop.move(SERVE_STALE_SECONDS)
            self.ask(again)
            self.both_are_alike()
            if then == "leave" and self.aloft[-1].waiters:
                self.leave(last=True)
            elif then == "drop":
                self.drop(name=again, how="one")

    @rule(name=names, user=st.sampled_from(["u-0", "u-1"]))
    def rename(self, name: str, user: str) -> None:
        self.users[name] = user
        self.world.accounts.users[self.world.directory.phones[name]] = user

    @rule(name=names, how=st.sampled_from(["forget", "forget another", "one", "all", "evict"]))
    def drop(self, name: str, how: str) -> None:
        """One rule for all of it: were there more, the machine would drop more often than it flies."""
        if how == "forget another":
            self.world.forget("u-9", person(name))
            reached["another pair is not forgotten"] += name in self.kept
        elif how == "forget":
            kept = self.kept.get(name)
            self.world.forget((kept and kept.user) or "u-0", person(name))
            if kept and kept.user:
                reached["a pair is forgotten"] += 1
                self._model_invalidate(name)
        elif how == "one":
            assert self.world.exchange.invalidate(key(name)) == (name in self.kept or name in self.flying)
            self._model_invalidate(name)
        elif how == "all":
            assert self.world.exchange.invalidate_all() == len(self.kept)
            for each in NAMES:
                self._model_invalidate(each)
        else:
            self.world.identities.drop(key(name))
            self.kept.pop(name, None)

    # What the model says of it

    def _model_ask(self, name: str, number: int, max_age: float) -> None:
        now, pair = self.loop.now(), self.kept.get(name)
        too_old = pair is not None and pair.user is not None and now - pair.exchanged_at > max_age
        if pair and now < pair.fresh_until and not too_old:
            reached["a hit" if pair.user else "a negative"] += 1
            self.expected[number] = pair.user or "IdentityUnknown"
            return
        reached["too old a pair"] += bool(pair and now < pair.fresh_until)
        if pair and pair.user and now < min(pair.stale_until, self.trouble_until) and number not in self.strict:
            reached["stale at once"] += 1
            self.expected[number] = pair.user
            if name not in self.flying:
                reached["a background refresh"] += 1
                self._model_depart(name).behind = True
        else:
            reached["a flight is joined" if name in self.flying else "a flight starts"] += 1
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
        reached[f"lands {self.mode}, invalidated" if flight.invalidated else f"lands {self.mode}"] += 1
        if self.mode == "down" and pair and pair.user and now < pair.stale_until:
            served = [number for number in flight.waiters if number not in self.strict]
            reached["lands down, stale"] += bool(served)
            reached["no stale pair serves"] += len(served) < len(flight.waiters)
            self.expected = [pair.user if number in served else end for number, end in enumerate(self.expected)]
            flight.waiters = [number for number in flight.waiters if number in self.strict]
        for number in flight.waiters:
            self.expected[number] = outcome

    def _model_outcome(self, flight: Flight, now: float) -> str:
        name = flight.name
        if self.mode == "down":
            self.trouble_until = now + SERVE_STALE_SECONDS
        elif self.mode == "up":
            reached["trouble ends"] += now < self.trouble_until
            self.trouble_until = 0.0
            if not flight.invalidated:
                self.kept[name] = Pair(self.users[name], now, now + 900, now + 4500)
            return self.users[name]
        elif self.mode == "unknown" and not flight.invalidated:
            self.kept[name] = Pair(None, now, now + 10, now + 10)
        elif self.mode == "refused" and not flight.invalidated:
            reached["refused, a pair goes"] += name in self.kept
            self.kept.pop(name, None)
        return type(FAILING[self.mode]).__name__

    def _model_invalidate(self, name: str) -> None:
        self.kept.pop(name, None)
        flight = self.flying.pop(name, None)
        if flight is not None:
            reached["a background refresh is detached" if flight.behind else "a flight is detached"] += 1
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
        self.running = [task for task in self.running if not task.done()]
        assert len(self.running) == len(self.aloft) + sum(len(flight.waiters) for flight in self.aloft)
        for name in NAMES:
            kept, pair = self.world.identities.get(key(name)), self.kept.get(name)
            assert (kept is None) == (pair is None)
            if kept and pair:
                assert (kept.user_id and kept.user_id.reveal()) == pair.user
                times = (kept.exchanged_at, kept.fresh_until, kept.stale_until)
                assert times == (pair.exchanged_at, pair.fresh_until, pair.stale_until)


def _end_of(task: "asyncio.Task[str]") -> str | None:
    if not task.done():
        return None
    if task.cancelled():
        return "CancelledError"
    error = task.exception()
    return task.result() if error is None else type(error).__name__


def play_the_rare_ways() -> None:
    """What chance finds in one of some hundred examples."""
    machine = ExchangeMachine()
    steps: tuple[Callable[[], object], ...] = (
        lambda: machine.crowd("p-1", last=False),
        lambda: machine.gate(wide=True, mode="up"),
        lambda: machine.drop("p-1", "forget another"),
        lambda: machine.drop("p-1", "forget"),
        lambda: machine.ask("p-1"),
        lambda: machine.fail_after_expiry("p-1", "p-1", later=True, then="leave"),
        lambda: machine.gate(wide=True, mode="up"),
        lambda: machine.fail_after_expiry("p-1", "p-1", later=True, then="drop"),
        lambda: machine.gate(wide=True, mode="up"),
        lambda: machine.ask("p-1"),
        lambda: machine.wait(901.0),
        lambda: machine.gate(wide=True, mode="refused"),
        lambda: machine.ask("p-1"),
        lambda: machine.gate(wide=True, mode="unknown"),
        lambda: machine.ask("p-2"),
        lambda: machine.ask("p-2"),
        lambda: machine.wait(10.0),
        lambda: machine.gate(wide=True, mode="up"),
        lambda: machine.ask("p-2"),
        lambda: machine.wait(10.0),
        lambda: machine.ask("p-2", max_age=3.0),
        lambda: machine.wait(901.0),
        lambda: machine.gate(wide=True, mode="down"),
        lambda: machine.ask("p-2", max_age=3.0),
    )
    for step in steps:
        step()
        machine.both_are_alike()
    machine.teardown()


@pytest.mark.timeout(1800)  # for HYPOTHESIS_PROFILE=thorough
def test_the_exchange_does_what_its_model_does_on_every_branch() -> None:
    run_state_machine_as_test(ExchangeMachine, settings=settings(times(1), stateful_step_count=50))
    by_chance = set(+reached)
    play_the_rare_ways()
    assert set(+reached) == set(BRANCHES)
    assert len(by_chance) > len(BRANCHES) / 2, "the machine itself hardly flies"
