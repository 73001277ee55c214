"""What goes on from one configuration to the next."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from talaria.adapters.http1.pool import PoolState
from talaria.adapters.telemetry.timestamps import rfc3339
from talaria.domain.resilience import CircuitBreaker
from talaria.entrypoints.ops.readiness import Dependency
from talaria.entrypoints.runtime import resources
from talaria.entrypoints.runtime.resources import HealthRegistry, ResourceRegistry
from talaria.testing import MemoryClock


class Pool:
    """A resource with connections."""

    def pool_state(self) -> PoolState:
        return PoolState(in_use=3, idle=2, waiting=1, certificate_end=2e9)

    async def follow_names(self) -> None:
        """It has none."""

    async def aclose(self) -> None:
        """It has none."""


def test_what_is_made_of_the_same_is_taken_over() -> None:
    first = ResourceRegistry()
    pool = first.get_or_create(("wind", 1), Pool)
    assert ResourceRegistry(first).get_or_create(("wind", 1), Pool) is pool
    assert ResourceRegistry(first).get_or_create(("wind", 2), Pool) is not pool


def test_what_was_not_taken_over_is_to_be_closed() -> None:
    first = ResourceRegistry()
    taken, left = first.get_or_create("taken", Pool), first.get_or_create("left", Pool)
    second = ResourceRegistry(first)
    second.get_or_create("taken", Pool)
    second.get_or_create("new", Pool)
    assert list(first.not_taken_over_by(second)) == [left]
    assert taken in list(second)


def test_what_was_left_is_not_found_again_later() -> None:
    first = ResourceRegistry()
    pool = first.get_or_create("wind", Pool)
    second = ResourceRegistry(first)
    assert ResourceRegistry(second).get_or_create("wind", Pool) is not pool


class Closing(Pool):
    """Does this when it is closed."""

    def __init__(self, last: Callable[[], Awaitable[object]]) -> None:
        self._last = last
        self.closed = False

    async def aclose(self) -> None:
        await self._last()
        self.closed = True


async def end() -> None:
    """At once."""


async def hang() -> None:
    await asyncio.Event().wait()


async def raise_an_error() -> None:
    raise ValueError("no")


async def cancel_a_task_of_its_own() -> None:
    task = asyncio.ensure_future(hang())
    task.cancel()
    await task


async def test_each_is_closed_whatever_becomes_of_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resources, "CLOSE_SECONDS", 0.01)
    bad = [Closing(raise_an_error), Closing(cancel_a_task_of_its_own), Closing(hang)]
    good = Closing(end)
    await resources.close_all([*bad, good])
    assert good.closed
    kinds = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert kinds == [ValueError, asyncio.CancelledError, TimeoutError]


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def health(clock: MemoryClock) -> HealthRegistry:
    return HealthRegistry(clock, lambda: 1_000_000.0 + clock.now())


def watching(breaker: CircuitBreaker) -> ResourceRegistry:
    resources = ResourceRegistry()
    resources.watch("wind", breaker, Pool())
    return resources


def at(state: int) -> dict[tuple[str], int]:
    return {("wind",): state}


def fail(breaker: CircuitBreaker, now: float, times: int = 1) -> None:
    """The last one is refused."""
    for number in range(times):
        permit = breaker.admit(now)
        assert permit is not None
        breaker.failed(permit, now, "refused" if number == times - 1 else "timeout")


def test_the_states_are_those_of_the_configuration_in_force(health: HealthRegistry) -> None:
    first, second = ResourceRegistry(), ResourceRegistry()
    first.watch("wind", CircuitBreaker(), Pool())
    bolt = CircuitBreaker()
    fail(bolt, 0.0, 5)
    second.watch("bolt", bolt, Pool())
    health.replace_with(first)
    assert health.states() == {"wind": "closed"}
    health.replace_with(second)
    assert health.states() == {"bolt": "open"}


def test_a_dependency_says_since_when_why_and_when_it_is_asked_again(
    health: HealthRegistry, clock: MemoryClock
) -> None:
    breaker = CircuitBreaker()
    health.replace_with(watching(breaker))
    assert health.dependencies() == {"wind": Dependency("wind", "not asked yet")}
    clock.move(100.0)
    fail(breaker, clock.now())
    since = rfc3339(1_000_000.0 + clock.now())
    assert health.dependencies() == {"wind": Dependency("wind", "failing", since, "refused")}
    clock.move(2.0)
    fail(breaker, clock.now(), 4)
    assert health.dependencies() == {"wind": Dependency("wind", "open", since, "refused", 5.0)}
    clock.move(1.0)
    assert health.dependencies()["wind"].retry_in_seconds == 4.0
    assert (health.gauges()["dependency_state"], health.gauges()["circuit_state"]) == (at(2), at(2))
    clock.move(4.0)
    permit = breaker.admit(clock.now())
    assert permit is not None
    assert (health.gauges()["dependency_state"], health.gauges()["circuit_state"]) == (at(1), at(1))
    breaker.succeeded(permit, clock.now())
    assert health.dependencies() == {"wind": Dependency("wind", "ok")}


def test_connections_are_gauges_by_their_state(health: HealthRegistry) -> None:
    health.replace_with(watching(CircuitBreaker()))
    gauges = health.gauges()
    assert gauges["connections"] == {("wind", "in_use"): 3, ("wind", "idle"): 2}
    assert gauges["connection_waiters"] == {("wind",): 1}
    assert gauges["certificate_expiry_timestamp_seconds"] == {("server", "wind"): 2e9}


def test_each_change_of_a_breaker_is_said(
    health: HealthRegistry, clock: MemoryClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    breaker = CircuitBreaker()
    health.replace_with(watching(breaker))
    fail(breaker, clock.now(), 5)
    permit = breaker.admit(clock.now() + 5)
    assert permit is not None
    breaker.succeeded(permit, clock.now() + 5)
    assert caplog.messages == [
        "a circuit breaker is open",
        "a circuit breaker is half-open",
        "a circuit breaker is closed",
    ]
    opened = vars(caplog.records[0])
    assert (opened["dependency"], opened["cause"], opened["levelname"]) == ("wind", "refused", "WARNING")
