"""The pool: who gets which connection, who waits, and that every slot comes back."""

import asyncio
from collections.abc import Callable

import pytest

from talaria.adapters.http1.connect import Endpoint
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.errors import ConnectError, ConnectionClosed, ConnectTimeout, PoolExhausted
from talaria.adapters.http1.pool import Limits, Pool
from tests.unit.adapters.http1.support_http1 import FakeTransport

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
ENDPOINT = Endpoint.of("http://upstream")


class Dialler:
    """Connects to nothing. `failing` is what the next dial raises; they wait while `gate` is not set."""

    def __init__(self) -> None:
        self.dialled = 0
        self.failing: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, endpoint: Endpoint, protocol: Callable[[], Connection], /) -> Connection:
        self.dialled += 1
        await self.gate.wait()
        failing, self.failing = self.failing, None
        if failing is not None:
            raise failing
        connection = protocol()
        connection.connection_made(FakeTransport())
        return connection


class World:
    """A pool of two connections at most, with a line of three."""

    def __init__(self, idle_seconds: float = 30.0) -> None:
        self.dialler = Dialler()
        limits = Limits(connect_timeout=0.05, max_connections=2, max_waiting=3, idle_seconds=idle_seconds)
        self.pool = Pool(ENDPOINT, limits, self.dialler)

    async def get(self, *, new: bool = False, patience: float = 5.0) -> Connection:
        return await self.pool.get(asyncio.get_running_loop().time() + patience, new=new)

    def asking(self, *, new: bool = False) -> "asyncio.Task[Connection]":
        return asyncio.create_task(self.get(new=new))

    def answer(self, connection: Connection) -> None:
        """One request comes and goes."""
        connection.begin(b"x", False, connection.loop.time() + 60, 60.0)
        self.pool._batcher.flush()
        connection.get_buffer(-1)[: len(HELLO)] = HELLO
        connection.buffer_updated(len(HELLO))

    def counts(self) -> tuple[int, int]:
        return self.pool.in_flight, self.pool.idle


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_last_one_back_is_the_first_one_out() -> None:
    world = World()
    first, second = await world.get(), await world.get()
    assert world.counts() == (2, 0)
    world.answer(first)
    world.answer(second)
    assert world.counts() == (0, 2)
    assert world.pool.take() is second
    assert await world.get() is first
    assert world.pool.take() is None
    assert world.dialler.dialled == 2


async def test_a_closed_connection_is_not_kept() -> None:
    world = World()
    first, second = await world.get(), await world.get()
    world.answer(first)
    first.connection_lost(None)
    second.fail(ConnectionClosed())
    assert world.counts() == (0, 0)


async def test_the_line_is_served_in_its_order() -> None:
    world = World()
    first, second = await world.get(), await world.get()
    asking = [world.asking() for _ in range(3)]
    await _settle()
    assert world.counts() == (5, 0)
    world.answer(first)
    second.fail(ConnectionClosed())
    await _settle()
    assert [task.done() for task in asking] == [True, True, False]
    assert asking[0].result() is first
    assert world.dialler.dialled == 3
    world.answer(first)
    assert await asking[2] is first


async def test_nobody_overtakes_the_line() -> None:
    world = World()
    first, _ = await world.get(), await world.get()
    waiting = world.asking()
    await _settle()
    world.answer(first)
    assert world.pool.take() is None
    late = world.asking()
    assert await waiting is first
    await _settle()
    assert not late.done()
    world.answer(first)
    assert await late is first


async def test_the_line_is_bounded() -> None:
    world = World()
    await world.get(), await world.get()
    asking = [world.asking() for _ in range(3)]
    await _settle()
    with pytest.raises(PoolExhausted) as caught:
        await world.get()
    assert not caught.value.request_sent
    await world.pool.aclose()
    for task in asking:
        with pytest.raises(ConnectError):
            await task


async def test_the_wait_is_bounded() -> None:
    world = World()
    await world.get(), await world.get()
    with pytest.raises(PoolExhausted):
        await world.get(patience=0.005)
    assert world.counts() == (2, 0)


async def test_each_waits_for_as_long_as_he_may() -> None:
    world = World()
    first, _ = await world.get(), await world.get()
    patient = asyncio.create_task(world.get(patience=60))
    client_deadline = [asyncio.create_task(world.get(patience=patience)) for patience in (0.05, 0.01)]
    await asyncio.wait(client_deadline, return_when=asyncio.FIRST_COMPLETED)
    assert [task.done() for task in client_deadline] == [
        False,
        True,
    ]  # who may wait less is not held up by who came before
    await asyncio.wait(client_deadline)
    for task in client_deadline:
        with pytest.raises(PoolExhausted):
            await task
    assert world.counts() == (3, 0)
    world.answer(first)
    assert await patient is first


@pytest.mark.parametrize("failure", [ConnectError("refused"), TimeoutError(), asyncio.CancelledError()])
async def test_a_dial_that_fails_gives_its_slot_to_the_line(failure: BaseException) -> None:
    world = World()
    await world.get()
    world.dialler.gate.clear()
    failing, waiting = world.asking(), world.asking()
    await _settle()
    world.dialler.failing = failure
    world.dialler.gate.set()
    await asyncio.wait([failing])
    assert isinstance(await waiting, Connection)
    assert failing.cancelled() or isinstance(failing.exception(), ConnectError | ConnectTimeout)
    assert world.counts() == (2, 0)


async def test_connecting_has_its_own_time() -> None:
    world = World()
    world.dialler.gate.clear()
    with pytest.raises(ConnectTimeout):
        await world.get()
    assert world.counts() == (0, 0)


async def test_who_leaves_the_line_leaves_no_trace() -> None:
    world = World()
    first, _ = await world.get(), await world.get()
    leaving, staying = world.asking(), world.asking()
    await _settle()
    leaving.cancel()
    await _settle()
    world.answer(first)
    assert await staying is first
    assert world.counts() == (2, 0)


@pytest.mark.parametrize("handing", ["connection", "slot"])
async def test_who_leaves_in_the_moment_of_being_served_hands_on(handing: str) -> None:
    world = World()
    first, _ = await world.get(), await world.get()
    leaving, staying = world.asking(), world.asking()
    await _settle()
    if handing == "connection":
        world.answer(first)
    else:
        first.fail(ConnectionClosed())
    leaving.cancel()
    assert isinstance(await staying, Connection)
    assert leaving.cancelled()
    assert world.counts() == (2, 0)


async def test_a_connection_that_dies_while_it_is_handed_over_is_not_used() -> None:
    world = World()
    first, _ = await world.get(), await world.get()
    waiting = world.asking()
    await _settle()
    world.answer(first)
    first.connection_lost(None)
    assert await waiting is not first
    assert world.counts() == (2, 0)


async def test_a_new_connection_is_new_though_others_are_idle() -> None:
    world = World()
    first, second = await world.get(), await world.get()
    world.answer(first)
    world.answer(second)
    fresh = await world.get(new=True)
    assert fresh not in (first, second)
    assert (first.closed, second.closed) == (True, False)
    assert world.counts() == (1, 1)


async def test_a_new_connection_is_new_though_its_turn_brings_an_old_one() -> None:
    world = World()
    first, _ = await world.get(), await world.get()
    asking = world.asking(new=True)
    await _settle()
    world.answer(first)
    fresh = await asking
    assert fresh is not first
    assert first.closed
    assert world.counts() == (2, 0)


async def test_idle_connections_are_closed_after_a_while() -> None:
    world = World(idle_seconds=0.01)
    world.answer(await world.get())
    waited = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.05, waited.set_result, None)
    await waited
    assert world.counts() == (0, 0)
    world.answer(await world.get())
    assert world.counts() == (0, 1)
    await world.pool.aclose()


async def test_closing_ends_everything() -> None:
    world = World()
    idle, busy = await world.get(), await world.get()
    world.answer(idle)
    future = busy.begin(b"x", False, busy.loop.time() + 60, 60.0)
    await world.pool.aclose()
    with pytest.raises(ConnectionClosed):
        await future
    with pytest.raises(ConnectError):
        await world.get()
    assert (idle.closed, busy.closed, world.counts()) == (True, True, (0, 0))


async def test_a_dial_that_ends_after_the_closing_is_closed() -> None:
    world = World()
    world.dialler.gate.clear()
    asking = world.asking()
    await _settle()
    await world.pool.aclose()
    world.dialler.gate.set()
    with pytest.raises(ConnectError):
        await asking
    assert world.counts() == (0, 0)
