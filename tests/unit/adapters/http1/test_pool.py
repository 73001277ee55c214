"""The pool: which request gets which connection, which one waits, and that every slot comes back."""

import asyncio
from collections.abc import Sequence

import pytest

from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.errors import ConnectError, ConnectionClosed, ConnectTimeout, PoolExhausted
from talaria.adapters.http1.pool import PoolState
from talaria.adapters.http1.resolver import Address
from tests.unit.adapters.http1.support_http1 import FakeTransport
from tests.unit.adapters.http1.support_pool import ENDPOINT, PoolHarness


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_last_one_back_is_the_first_one_out() -> None:
    harness = PoolHarness()
    first, second = await harness.get(), await harness.get()
    assert harness.counts() == (2, 0)
    harness.answer(first)
    harness.answer(second)
    assert harness.counts() == (0, 2)
    assert harness.take() is second
    assert await harness.get() is first
    assert harness.take() is None
    assert harness.connector.opened == 2


async def test_a_closed_connection_is_not_kept() -> None:
    harness = PoolHarness()
    first, second = await harness.get(), await harness.get()
    harness.answer(first)
    first.connection_lost(None)
    second.fail(ConnectionClosed())
    assert harness.counts() == (0, 0)


async def test_the_queue_is_first_in_first_out() -> None:
    harness = PoolHarness()
    first, second = await harness.get(), await harness.get()
    asking = [harness.asking() for _ in range(3)]
    await _settle()
    assert harness.counts() == (5, 0)
    harness.answer(first)
    second.fail(ConnectionClosed())
    await _settle()
    assert [task.done() for task in asking] == [True, True, False]
    assert asking[0].result() is first
    assert harness.connector.opened == 3
    harness.answer(first)
    assert await asking[2] is first


async def test_no_request_overtakes_the_queue() -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    waiting = harness.asking()
    await _settle()
    harness.answer(first)
    assert harness.take() is None
    late = harness.asking()
    assert await waiting is first
    await _settle()
    assert not late.done()
    harness.answer(first)
    assert await late is first


async def test_the_queue_is_bounded() -> None:
    harness = PoolHarness()
    await harness.get(), await harness.get()
    asking = [harness.asking() for _ in range(3)]
    await _settle()
    with pytest.raises(PoolExhausted) as caught:
        await harness.get()
    assert not caught.value.request_sent
    await harness.pool.aclose()
    for task in asking:
        with pytest.raises(ConnectError):
            await task


async def test_the_wait_is_bounded() -> None:
    harness = PoolHarness()
    await harness.get(), await harness.get()
    with pytest.raises(PoolExhausted):
        await harness.get(patience=0.005)
    assert harness.counts() == (2, 0)


async def test_each_waits_until_its_own_deadline() -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    patient = asyncio.create_task(harness.get(patience=60))
    client_deadline = [asyncio.create_task(harness.get(patience=patience)) for patience in (0.05, 0.01)]
    await asyncio.wait(client_deadline, return_when=asyncio.FIRST_COMPLETED)
    assert [task.done() for task in client_deadline] == [
        False,
        True,
    ]  # an earlier deadline is not held up by a later one
    await asyncio.wait(client_deadline)
    for task in client_deadline:
        with pytest.raises(PoolExhausted):
            await task
    assert harness.counts() == (3, 0)
    harness.answer(first)
    assert await patient is first


@pytest.mark.parametrize("failure", [ConnectError("refused"), TimeoutError(), asyncio.CancelledError()])
async def test_a_failed_connect_gives_its_slot_to_the_queue(failure: BaseException) -> None:
    harness = PoolHarness()
    await harness.get()
    harness.connector.gate.clear()
    failing, waiting = harness.asking(), harness.asking()
    await _settle()
    harness.connector.failing = failure
    harness.connector.gate.set()
    await asyncio.wait([failing])
    assert isinstance(await waiting, Connection)
    assert failing.cancelled() or isinstance(failing.exception(), ConnectError | ConnectTimeout)
    assert harness.counts() == (2, 0)


async def test_connecting_has_its_own_time() -> None:
    harness = PoolHarness()
    harness.connector.gate.clear()
    with pytest.raises(ConnectTimeout):
        await harness.get()
    assert harness.counts() == (0, 0)


async def test_a_waiter_that_leaves_the_queue_leaves_no_trace() -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    leaving, staying = harness.asking(), harness.asking()
    await _settle()
    leaving.cancel()
    await _settle()
    harness.answer(first)
    assert await staying is first
    assert harness.counts() == (2, 0)


@pytest.mark.parametrize("leaves", ["before", "after"])
@pytest.mark.parametrize("handing", ["connection", "slot"])
async def test_a_waiter_that_leaves_in_the_moment_of_being_served_hands_on(handing: str, leaves: str) -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    leaving, staying = harness.asking(), harness.asking()
    await _settle()
    if leaves == "before":
        leaving.cancel()
    if handing == "connection":
        harness.answer(first)
    else:
        first.fail(ConnectionClosed())
    if leaves == "after":
        leaving.cancel()
    assert isinstance(await staying, Connection)
    assert leaving.cancelled()
    assert harness.counts() == (2, 0)


async def test_a_connection_that_dies_while_it_is_handed_over_is_not_used() -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    waiting = harness.asking()
    await _settle()
    harness.answer(first)
    first.connection_lost(None)
    assert await waiting is not first
    assert harness.counts() == (2, 0)


async def test_a_new_connection_is_new_though_others_are_idle() -> None:
    harness = PoolHarness()
    first, second = await harness.get(), await harness.get()
    harness.answer(first)
    harness.answer(second)
    fresh = await harness.get(new=True)
    assert fresh not in (first, second)
    assert (first.closed, second.closed) == (True, False)
    assert harness.counts() == (1, 1)


async def test_a_new_connection_is_new_though_its_turn_brings_an_old_one() -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    asking = harness.asking(new=True)
    await _settle()
    harness.answer(first)
    fresh = await asking
    assert fresh is not first
    assert first.closed
    assert harness.counts() == (2, 0)


async def test_idle_connections_are_closed_after_a_while() -> None:
    harness = PoolHarness(idle_seconds=0.01)
    harness.answer(await harness.get())
    waited = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.05, waited.set_result, None)
    await waited
    assert harness.counts() == (0, 0)
    harness.answer(await harness.get())
    assert harness.counts() == (0, 1)
    await harness.pool.aclose()


async def test_closing_ends_everything() -> None:
    harness = PoolHarness()
    idle, busy = await harness.get(), await harness.get()
    harness.answer(idle)
    future = busy.begin(b"x", False, busy.loop.time() + 60, 60.0)
    await harness.pool.aclose()
    with pytest.raises(ConnectionClosed):
        await future
    with pytest.raises(ConnectError):
        await harness.get()
    assert (idle.closed, busy.closed, harness.counts()) == (True, True, (0, 0))
    assert harness.pool._sweep_timer is None or harness.pool._sweep_timer.cancelled()


async def test_a_connect_that_ends_after_the_closing_is_closed() -> None:
    harness = PoolHarness()
    harness.connector.gate.clear()
    asking = harness.asking()
    await _settle()
    await harness.pool.aclose()
    harness.connector.gate.set()
    with pytest.raises(ConnectError):
        await asking
    assert harness.counts() == (0, 0)


@pytest.mark.parametrize(("patience", "seconds"), [(5.0, 0.05), (0.02, 0.02)])
async def test_connecting_ends_at_the_earlier_of_its_own_time_and_the_deadline(
    monkeypatch: pytest.MonkeyPatch, patience: float, seconds: float
) -> None:
    ends: list[float] = []
    timeout_at = asyncio.timeout_at

    def remembering(when: float) -> asyncio.Timeout:
        ends.append(when)
        return timeout_at(when)

    monkeypatch.setattr(asyncio, "timeout_at", remembering)
    harness = PoolHarness()
    harness.connector.gate.clear()
    started = asyncio.get_running_loop().time()
    with pytest.raises(ConnectTimeout):
        await harness.get(patience=patience)
    assert [end - started for end in ends] == [pytest.approx(seconds, abs=0.01)]


async def test_a_connection_that_is_too_old_is_not_used_again() -> None:
    harness = PoolHarness(max_age=100.0)
    connection = await harness.get()
    now = harness.pool.now()
    assert now + 89 < connection.expires_at < now + 101, "up to 10 % earlier"
    harness.answer(connection)
    assert harness.pool.take(connection.expires_at - 1) is connection
    harness.answer(connection)
    assert harness.pool.take(connection.expires_at) is None
    assert (connection.closed, harness.counts()) == (True, (0, 0))


async def test_ages_end_at_random() -> None:
    ends = set()
    for _ in range(20):
        connection = await PoolHarness(max_age=100.0).get()
        ends.add(round(connection.expires_at - connection.loop.time(), 3))
    assert len(ends) > 10
    assert max(ends) - min(ends) < 11


async def test_a_connection_that_grew_too_old_in_use_goes_to_no_waiter() -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    waiting = harness.asking()
    await _settle()
    first.expires_at = 0.0
    harness.answer(first)
    assert await waiting is not first
    assert (first.closed, harness.counts()) == (True, (2, 0))


async def test_a_name_that_moved_is_followed() -> None:
    harness = PoolHarness()
    idle, busy = await harness.get(), await harness.get()
    harness.answer(idle)
    await harness.moved_to(FakeTransport.PEER)
    assert not idle.closed
    await harness.moved_to(None)
    assert not idle.closed, "nothing is known of the name"
    await harness.moved_to(("192.0.2.9", 80))
    assert (idle.closed, busy.closed) == (True, False)
    harness.answer(busy)
    assert harness.take() is None
    assert (busy.closed, harness.counts()) == (True, (0, 0))


async def test_what_was_used_since_the_last_sweep_outlives_this_one() -> None:
    harness = PoolHarness(idle_seconds=3600.0)
    first, second = await harness.get(), await harness.get()
    harness.answer(first)
    harness.answer(second)
    harness.pool._sweep()
    assert harness.take() is second
    harness.answer(second)
    harness.pool._sweep()
    assert (first.closed, second.closed) == (True, False)
    await harness.pool.aclose()


async def test_connections_that_are_being_made_count() -> None:
    harness = PoolHarness()
    harness.connector.gate.clear()
    asking = [harness.asking() for _ in range(3)]
    await _settle()
    assert (harness.connector.opened, harness.counts()) == (2, (3, 0))
    harness.connector.gate.set()
    first = await asking[0]
    harness.answer(first)
    assert await asking[2] is first


async def test_waiters_that_leave_are_forgotten_at_once() -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    asking = [harness.asking() for _ in range(3)]
    await _settle()
    asking[1].cancel()
    await _settle()
    assert (len(harness.pool._waiters), harness.counts()) == (2, (4, 0))
    asking[0].cancel()
    asking[2].cancel()
    await _settle()
    assert (len(harness.pool._waiters), harness.counts()) == (0, (2, 0))
    harness.answer(first)
    assert harness.counts() == (1, 1)


async def test_what_a_leaving_waiter_was_handed_is_kept_where_none_waits() -> None:
    harness = PoolHarness()
    first, _ = await harness.get(), await harness.get()
    leaving = harness.asking()
    await _settle()
    harness.answer(first)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert harness.counts() == (1, 1)
    assert harness.take() is first


async def test_an_empty_pool_looks_no_name_up() -> None:
    harness = PoolHarness()

    def look_up(host: str, port: int) -> Sequence[Address]:
        raise AssertionError("looked up")

    ENDPOINT.resolver.look_up = look_up
    await harness.pool.follow_name()


async def test_the_state_tells_what_is_in_use_what_is_idle_and_what_waits() -> None:
    harness = PoolHarness()
    assert harness.pool.state() == PoolState()
    first, _ = await harness.get(), await harness.get()
    asking = harness.asking()
    await _settle()
    assert harness.pool.state() == PoolState(in_use=2, waiting=1)
    asking.cancel()
    await _settle()
    harness.answer(first)
    assert harness.pool.state() == PoolState(in_use=1, idle=1)
