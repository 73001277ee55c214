"""The breaker and the budget against plain models, by hypothesis' rule-based machines."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from talaria.domain.resilience import CircuitBreaker, RetryBudget
from tests.support_examples import times

reached: Counter[str] = Counter()
"""How often the model of the breaker took each of its branches."""


class BreakerMachine(RuleBasedStateMachine):
    """The breaker beside lists of everything that ever happened."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = CircuitBreaker()
        self.now = 100.0
        self.out: list[tuple[int, int]] = []
        self.phase = 0
        self.state = "closed"
        self.results: list[tuple[float, bool]] = []
        self.pause, self.until = 5.0, 0.0

    def enter(self, state: str) -> None:
        self.state, self.phase = state, self.phase + 1

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 5.0, 12.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        may = self.state == "closed" or (self.state == "open" and self.now >= self.until)
        if self.state == "open" and may:
            self.enter("half-open")
        permit = self.breaker.admit(self.now)
        assert (permit is not None) == may
        if permit is not None:
            self.out.append((self.phase, permit))

    @rule(failing=st.integers(1, 4), well=st.integers(1, 4))
    def traffic(self, failing: int, well: int) -> None:
        """Calls that end at once, so that twenty come together."""
        for result in ["failed"] * failing + ["succeeded"] * well:
            self.ask()
            if self.out and self.out[-1][0] == self.phase:
                self.end(len(self.out) - 1, result)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), result=st.sampled_from(["failed", "failed", "succeeded", "cancelled"]))
    def answer(self, data: st.DataObject, result: str) -> None:
        self.end(data.draw(st.integers(0, len(self.out) - 1)), result)

    @precondition(lambda self: self.state == "open")
    @rule(result=st.sampled_from(["failed", "succeeded", "cancelled"]))
    def probe(self, result: str) -> None:
        self.time_passes(max(0.0, self.until - self.now))
        self.ask()
        self.end(len(self.out) - 1, result)

    def end(self, at: int, result: str) -> None:
        phase, permit = self.out.pop(at)
        getattr(self.breaker, result)(permit, self.now)
        if phase != self.phase:
            reached["of an earlier phase"] += 1
            return
        if self.state == "half-open":
            reached[f"probe {result}"] += 1
            self.probed(result)
        elif result != "cancelled":
            self.results.append((self.now, result == "failed"))
            if result == "failed" and self.too_many():
                self.until = self.now + self.pause
                self.enter("open")

    def probed(self, result: str) -> None:
        if result == "succeeded":
            self.results, self.pause = [], 5.0
            self.enter("closed")
            return
        if result == "failed":
            self.pause = min(self.pause * 2, 10.0)
            self.until = self.now + self.pause
        self.enter("open")

    def too_many(self) -> bool:
        recent = [failed for at, failed in self.results if int(at) > int(self.now) - 10]
        last = [failed for _, failed in self.results[-5:]]
        in_a_row, half = last == [True] * 5, len(recent) >= 20 and sum(recent) * 2 >= len(recent)
        reached["five in a row"] += in_a_row
        reached["half of twenty"] += half and not in_a_row
        return in_a_row or half

    @invariant()
    def agrees(self) -> None:
        assert self.breaker.state == self.state
        if self.state == "open":
            assert self.breaker.opened_until == self.until
            assert self.breaker.refused_for(self.now) == max(0.0, self.until - self.now)


class BudgetMachine(RuleBasedStateMachine):
    """The budget beside the lists of all requests and retries of the last ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = RetryBudget()
        self.now = 0.0
        self.requests: list[float] = []
        self.retries: list[float] = []
        self.answers: list[float] = []

    def recent(self, times: list[float]) -> list[float]:
        return [at for at in times if int(at) > int(self.now) - 10]

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.9, 4.0, 9.5, 10.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.requests, self.retries = self.recent(self.requests), self.recent(self.retries)
        self.answers = self.recent(self.answers)

    @rule(times=st.integers(1, 40))
    def request(self, times: int) -> None:
        for _ in range(times):
            self.budget.requested(self.now)
        self.requests += [self.now] * times

    @rule(times=st.integers(1, 10))
    def retry(self, times: int) -> None:
        for _ in range(times):
            may = len(self.retries) - len(self.answers) < max(10, len(self.requests) // 5)
            assert self.budget.take(self.now) == may
            if may:
                self.retries.append(self.now)

    @precondition(lambda self: len(self.retries) > len(self.answers))
    @rule()
    def answer(self) -> None:
        self.budget.answered(self.now)
        self.answers.append(self.now)


LONG = settings(times(0.5), stateful_step_count=200)


@pytest.mark.timeout(1800)  # for HYPOTHESIS_PROFILE=thorough
def test_the_breaker_does_what_its_model_does_on_every_branch() -> None:
    run_state_machine_as_test(BreakerMachine, settings=LONG)
    ways = {"five in a row", "half of twenty", "of an earlier phase"}
    assert {way for way, often in reached.items() if often} == ways | {
        f"probe {result}" for result in ("failed", "succeeded", "cancelled")
    }


def test_the_budget_does_what_its_model_does() -> None:
    run_state_machine_as_test(BudgetMachine, settings=LONG)
