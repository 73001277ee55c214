"""What bounds a dependency client: time, places, the breaker, the budget. No sockets."""

import asyncio
import random

import httpx
import pytest

from talaria.adapters.dependency_client import Hop
from talaria.adapters.dependency_messages import DependencyRequest, DependencyResponse
from talaria.adapters.http1.errors import ConnectError
from talaria.adapters.http1.pool import PoolState
from talaria.domain.errors import (
    BadAnswer,
    CircuitOpen,
    DependencyFault,
    IdentityUnknown,
    Overloaded,
    TimedOut,
    Unreachable,
)
from talaria.domain.events import HopContext
from talaria.domain.resilience import CircuitBreaker
from tests.support_refusals import by
from tests.unit.adapters.support_dependency_client import Bench, hang, status


async def test_a_hop_that_hangs_ends_in_time() -> None:
    bench = Bench(hang)
    call = HopContext("request-1", 0.02)
    with pytest.raises(TimedOut, match="no answer in time", check=by("personal")):
        await bench.ask(call)
    assert [attempt.outcome for attempt in call.attempts] == ["timeout"]


async def test_a_hop_that_hangs_behind_an_answer_is_late_too() -> None:
    bench, call = Bench(200), HopContext("request-1", 0.02)

    async def ask(hop: Hop) -> None:
        await hop.send(DependencyRequest("GET", "/question"))
        await asyncio.Event().wait()

    with pytest.raises(TimedOut, match="no answer in time", check=by("personal")):
        await bench.client.hop(call, ask)
    assert [attempt.outcome for attempt in call.attempts] == ["timeout"]


async def test_the_clients_own_timeout_counts_too() -> None:
    bench = Bench(hang, timeout=0.02)
    with pytest.raises(TimedOut, check=by("personal")):
        await bench.ask(HopContext("request-1", 60.0))


async def test_the_wait_for_a_slot_ends_in_time() -> None:
    bench = Bench(hang)
    busy = [asyncio.ensure_future(bench.ask()) for _ in range(2)]
    await asyncio.sleep(0)
    call = HopContext("request-1", 0.02)
    waiting = asyncio.ensure_future(bench.ask(call))
    await asyncio.sleep(0)
    assert bench.client.pool_state() == PoolState(waiting=1)
    with pytest.raises(TimedOut, match="no free slot in time", check=by("personal")):
        await waiting
    assert bench.client.pool_state() == PoolState()
    assert call.attempts == []
    for task in busy:
        task.cancel()
    await asyncio.wait(busy)
    bench.answers(200)
    assert (await bench.ask()).status == 200


async def test_waiting_for_a_slot_takes_nothing_of_the_hops_own_time() -> None:
    bench = Bench(hang, timeout=1.0)
    busy = [asyncio.ensure_future(bench.ask()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(bench.ask(HopContext("request-1", 60.0)))
    await asyncio.sleep(0)
    bench.clock.move(30.0)
    bench.answers(status(503, retry_after="0"), 200)
    busy[0].cancel()
    assert (await waiting).status == 200
    assert bench.client.breaker.state == "closed"
    busy[1].cancel()
    await asyncio.wait(busy)


async def test_slots_are_given_in_order() -> None:
    bench = Bench(200)
    order: list[int] = []

    async def ask(number: int) -> None:
        await bench.ask()
        order.append(number)

    await asyncio.gather(*(ask(number) for number in range(8)))
    assert order == sorted(order)


@pytest.mark.parametrize("answer", [500, 401, 302, 503, ConnectError("")])
async def test_five_failures_open_the_circuit(answer: object) -> None:
    bench = Bench(answer, attempts=1)
    for _ in range(5):
        with pytest.raises(DependencyFault):
            await bench.ask()
    call = HopContext("request-1", 5.0)
    with pytest.raises(CircuitOpen) as caught:
        await bench.ask(call)
    assert (caught.value.origin, caught.value.retry_after) == ("personal", 5.0)
    assert (len(bench.requests), call.attempts) == (5, [])
    assert bench.client.breaker.state == "open"


async def test_an_open_circuit_is_told_at_once_also_where_no_slot_is_free() -> None:
    bench = Bench(hang)
    busy = [asyncio.ensure_future(bench.ask()) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(5):
        permit = bench.client.breaker.admit(bench.clock.now())
        assert permit is not None
        bench.client.breaker.failed(permit, bench.clock.now())
    with pytest.raises(CircuitOpen, check=by("personal")):
        await bench.ask(HopContext("request-1", 0.02))
    for task in busy:
        task.cancel()
    await asyncio.wait(busy)


async def test_no_retry_begins_when_the_time_is_over() -> None:
    for timeout, requests in ((1.0, 1), (1.001, 2)):
        bench = Bench(status(503, retry_after="1"), timeout=timeout)
        with pytest.raises(Overloaded, check=by("personal")):
            await bench.ask()
        assert len(bench.requests) == requests


async def test_definite_answers_are_no_failures() -> None:
    bench = Bench(404)

    def unknown(response: DependencyResponse) -> DependencyResponse:
        raise IdentityUnknown

    for _ in range(30):
        with pytest.raises(IdentityUnknown):
            await bench.client.post("/question", b"{}", {}, HopContext("request-1", 5.0), unknown)
    assert bench.client.breaker.state == "closed"


async def test_the_failure_that_was_met_is_told_and_not_the_circuit_that_it_opened() -> None:
    bench = Bench(ConnectError(""))
    for _ in range(5):
        with pytest.raises(Unreachable, check=by("personal")):
            await bench.ask()
    assert len(bench.requests) == 5 + 10, "ten retries at any time, and no more"
    with pytest.raises(CircuitOpen):
        await bench.ask()


async def test_a_failure_that_a_retry_mends_is_none_for_the_breaker() -> None:
    bench = Bench(*[503, 503, 200] * 40)
    for _ in range(40):
        await bench.ask()
        bench.clock.move(10.0)
    assert bench.client.breaker.state == "closed"


async def test_no_retry_is_sent_once_others_have_opened_the_circuit() -> None:
    bench = Bench(503, 200)

    def others_fail() -> None:
        for _ in range(5):
            permit = bench.client.breaker.admit(bench.clock.now())
            assert permit is not None
            bench.client.breaker.failed(permit, bench.clock.now())

    bench.meanwhile = others_fail
    with pytest.raises(Overloaded, check=by("personal")):
        await bench.ask()
    assert len(bench.requests) == 1


async def test_a_probe_has_no_second_attempt() -> None:
    bench = Bench(503)
    for _ in range(5):
        with pytest.raises(Overloaded, check=by("personal")):
            await bench.ask()
    before = len(bench.requests)
    bench.clock.move(5.0)
    with pytest.raises(Overloaded, check=by("personal")):
        await bench.ask()
    assert len(bench.requests) == before + 1


async def test_failures_count_though_no_client_waits_for_the_retries() -> None:
    bench = Bench(503)

    def leave() -> None:
        raise asyncio.CancelledError

    bench.meanwhile = leave
    for _ in range(5):
        with pytest.raises((asyncio.CancelledError, Overloaded)):
            await bench.ask()
    assert bench.client.breaker.state == "open"


async def test_one_probe_closes_it_again() -> None:
    bench = Bench(500, attempts=1)
    for _ in range(5):
        with pytest.raises(BadAnswer, check=by("personal")):
            await bench.ask()
    bench.clock.move(5.0)
    bench.answers(hang)
    probe = asyncio.ensure_future(bench.ask())
    while len(bench.requests) < 6:
        await asyncio.sleep(0)
    for _ in range(10):
        with pytest.raises(CircuitOpen):
            await bench.ask()
    assert len(bench.requests) == 6
    probe.cancel()
    await asyncio.wait([probe])
    bench.answers(200)
    assert (await bench.ask()).status == 200, "a cancelled probe frees its place"
    assert bench.client.breaker.state == "closed"


async def test_clients_that_leave_or_are_in_a_hurry_open_no_circuit() -> None:
    bench = Bench(hang)
    for _ in range(6):
        with pytest.raises(TimedOut, check=by("personal")):
            await bench.ask(HopContext("request-1", 0.001))
        leaving = asyncio.ensure_future(bench.ask())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
    assert bench.client.breaker.state == "closed"


async def test_timeouts_that_had_their_time_open_the_circuit() -> None:
    bench = Bench()

    async def slow(request: httpx.Request) -> httpx.Response:
        bench.clock.move(1.0)
        return await hang(request)

    bench.answers(slow)
    for _ in range(5):
        with pytest.raises(TimedOut, check=by("personal")):
            await bench.ask(HopContext("request-1", 0.001))
    assert bench.client.breaker.state == "open"


async def test_a_fault_of_the_reader_passes_and_says_nothing_to_the_breaker() -> None:
    bench = Bench(200)

    def broken(response: DependencyResponse) -> DependencyResponse:
        raise KeyError("a fault of ours")

    for _ in range(6):
        with pytest.raises(KeyError):
            await bench.client.post("/question", b"{}", {}, HopContext("request-1", 5.0), broken)
    assert bench.client.breaker.state == "closed"


async def test_a_dependency_that_fails_three_in_ten_is_mended_by_retries() -> None:
    rng = random.Random(2)
    bench = Bench()

    async def three_in_ten_fail(request: httpx.Request) -> httpx.Response:
        return status(503 if rng.random() < 0.3 else 200)

    bench.answers(three_in_ten_fail)
    succeeded = 0
    for _ in range(1000):
        bench.clock.move(0.01)
        try:
            await bench.ask()
        except Overloaded:
            continue
        succeeded += 1
    assert succeeded >= 970
    assert len(bench.requests) <= 1420


async def test_a_dependency_that_fails_altogether_gets_a_fifth_more_at_most() -> None:
    bench = Bench(503)
    for _ in range(200):
        bench.client.breaker = CircuitBreaker()
        with pytest.raises(Overloaded, check=by("personal")):
            await bench.ask()
    assert len(bench.requests) <= 240


async def test_a_client_that_leaves_is_no_timeout() -> None:
    bench, call = Bench(hang), HopContext("request-1", 5.0)
    asking = asyncio.ensure_future(bench.ask(call))
    while not bench.requests:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    assert [attempt.outcome for attempt in call.attempts] == ["cancelled"]
