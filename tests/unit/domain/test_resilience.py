"""The breaker and the budget by example, then against plain models by hypothesis' rule-based machines."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from talaria.domain.resilience import CircuitBreaker, RetryBudget


def fail(breaker: CircuitBreaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        permit = breaker.admit(now)
        assert permit is not None
        breaker.failed(permit, now)


def state_of(breaker: CircuitBreaker) -> str:
    return breaker.state


def opened(now: float = 100.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    fail(breaker, now, times=5)
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    breaker = CircuitBreaker()
    fail(breaker, 100.0, times=4)
    assert state_of(breaker) == "closed"
    fail(breaker, 100.0)
    assert (state_of(breaker), breaker.opened_until) == ("open", 105.0)
    assert breaker.admit(104.9) is None
    assert breaker.refused_for(103.0) == pytest.approx(2.0)


def test_half_of_twenty_open_it() -> None:
    breaker = CircuitBreaker()
    for turn in range(19):
        permit = breaker.admit(100.0)
        assert permit is not None
        (breaker.failed if turn % 2 else breaker.succeeded)(permit, 100.0)
    assert state_of(breaker) == "closed"
    fail(breaker, 100.0)
    assert state_of(breaker) == "open"


def test_failures_of_long_ago_do_not_count_towards_the_half() -> None:
    breaker = CircuitBreaker()
    for turn in range(19):
        permit = breaker.admit(100.0)
        assert permit is not None
        (breaker.failed if turn % 2 else breaker.succeeded)(permit, 100.0)
    fail(breaker, 110.0)
    assert state_of(breaker) == "closed"


def begin(breaker: CircuitBreaker, now: float) -> int:
    permit = breaker.admit(now)
    assert permit is not None
    breaker.head_received(permit, now)
    return permit


def test_five_bodies_in_a_row_that_break_open_it() -> None:
    breaker = CircuitBreaker()
    for at in (100.0, 120.0, 140.0, 160.0, 180.0):
        assert state_of(breaker) == "closed"
        breaker.body_failed(begin(breaker, at), at, at + 9.0)
    assert (state_of(breaker), breaker.opened_until) == ("open", 194.0)
    breaker.body_failed(begin(breaker, 194.0), 194.0, 194.0)
    assert state_of(breaker) == "closed", "a probe that broke was one of another phase"
    breaker.body_failed(begin(breaker, 194.0), 194.0, 194.0)
    assert state_of(breaker) == "open", "still none came to its end"


@pytest.mark.parametrize("well", ["ended", "succeeded"])
def test_an_answer_that_came_to_its_end_is_between_them(well: str) -> None:
    breaker = CircuitBreaker()
    for turn in range(18):
        permit = breaker.admit(100.0)
        assert permit is not None
        if turn % 4 == 0 and well == "succeeded":
            breaker.succeeded(permit, 100.0)
            continue
        breaker.head_received(permit, 100.0)
        if turn % 4:
            breaker.body_failed(permit, 100.0, 101.0)
        else:
            breaker.body_completed()
    assert state_of(breaker) == "closed"


def test_half_of_twenty_with_broken_bodies_open_it() -> None:
    breaker = CircuitBreaker()
    permits = [begin(breaker, 100.0) for _ in range(20)]
    for permit in permits[:9]:
        breaker.body_failed(permit, 100.0, 101.0)
        breaker.body_completed()
    assert state_of(breaker) == "closed"
    breaker.body_failed(permits[9], 100.0, 101.0)
    assert state_of(breaker) == "open"


def test_streams_that_are_cut_later_open_nothing() -> None:
    breaker = CircuitBreaker()
    permits = [begin(breaker, 100.0) for _ in range(100)]
    for permit in permits:
        breaker.body_failed(permit, 100.0, 110.1)
    assert state_of(breaker) == "closed"


def test_exactly_one_probe() -> None:
    breaker = opened()
    permit = breaker.admit(105.0)
    assert permit is not None
    assert state_of(breaker) == "half-open"
    assert [breaker.admit(105.0 + later) for later in range(1000)] == [None] * 1000
    breaker.succeeded(permit, 105.1)
    assert state_of(breaker) == "closed"
    assert breaker.refused_for(105.1) == 0.0


def test_an_abandoned_probe_frees_its_place() -> None:
    breaker = opened()
    permit = breaker.admit(105.0)
    assert permit is not None
    breaker.cancelled(permit, 105.1)
    second = breaker.admit(105.1)
    assert second is not None
    breaker.succeeded(permit, 105.2)
    assert state_of(breaker) == "half-open", "the abandoned probe has no say any more"
    breaker.succeeded(second, 105.3)
    assert state_of(breaker) == "closed"


def test_pauses_double_up_to_a_minute_and_start_anew_after_a_success() -> None:
    breaker, now, pauses = opened(), 100.0, []
    for _ in range(6):
        pauses.append(breaker.opened_until - now)
        now = breaker.opened_until
        fail(breaker, now)
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    permit = breaker.admit(breaker.opened_until)
    assert permit is not None
    breaker.succeeded(permit, now)
    fail(breaker, now, times=5)
    assert breaker.opened_until - now == 5.0


def test_what_was_in_flight_when_it_opened_says_nothing() -> None:
    breaker = CircuitBreaker()
    late = breaker.admit(100.0)
    assert late is not None
    fail(breaker, 100.0, times=5)
    probe = breaker.admit(105.0)
    breaker.failed(late, 105.0)
    assert state_of(breaker) == "half-open"
    assert probe is not None
    breaker.succeeded(probe, 105.0)
    breaker.failed(late, 105.0)
    assert breaker.admit(105.0) is not None


def test_three_retries_at_any_time() -> None:
    budget = RetryBudget()
    assert [budget.take(50.0) for _ in range(5)] == [True, True, True, False, False]
    assert budget.take(60.0)


def test_when_all_fails_a_fifth_more_is_sent() -> None:
    budget, calls = RetryBudget(), 0
    for request in range(1000):
        now = request / 100
        budget.requested(now)
        calls += 1 + sum(budget.take(now) for _ in range(2))
    assert 1150 < calls <= 1200


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

    @precondition(lambda self: self.out)
    @rule(data=st.data(), result=st.sampled_from(["failed", "failed", "succeeded", "cancelled"]))
    def answer(self, data: st.DataObject, result: str) -> None:
        phase, permit = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        getattr(self.breaker, result)(permit, self.now)
        if phase != self.phase:
            return
        if self.state == "half-open":
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
            self.pause = min(self.pause * 2, 60.0)
            self.until = self.now + self.pause
        self.enter("open")

    def too_many(self) -> bool:
        recent = [failed for at, failed in self.results if int(at) > int(self.now) - 10]
        last = [failed for _, failed in self.results[-5:]]
        return last == [True] * 5 or (len(recent) >= 20 and sum(recent) * 2 >= len(recent))

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

    def recent(self, times: list[float]) -> list[float]:
        return [at for at in times if int(at) > int(self.now) - 10]

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.9, 4.0, 9.5, 10.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.requests, self.retries = self.recent(self.requests), self.recent(self.retries)

    @rule(times=st.integers(1, 40))
    def request(self, times: int) -> None:
        for _ in range(times):
            self.budget.requested(self.now)
        self.requests += [self.now] * times

    @rule(times=st.integers(1, 10))
    def retry(self, times: int) -> None:
        for _ in range(times):
            may = len(self.retries) < max(3, len(self.requests) // 5)
            assert self.budget.take(self.now) == may
            if may:
                self.retries.append(self.now)


LONG = settings(stateful_step_count=60)
TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = LONG
TestBudget = BudgetMachine.TestCase
TestBudget.settings = LONG
