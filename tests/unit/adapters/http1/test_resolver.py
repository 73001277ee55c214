"""A lookup is shared by those that ask meanwhile, and one that hangs holds up no other."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event

import pytest
from pytest_mock import MockerFixture

from talaria.adapters.http1.connect import is_local
from talaria.adapters.http1.resolver import Address, Resolver

FOUND: Sequence[Address] = [(socket.AF_INET, ("192.0.2.1", 80))]


class Server:
    """Answers once `open` is set. `asked` counts; `began` is set with each question."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.open = Event()
        self.asked = 0
        self.failure: OSError | None = None
        self.began = asyncio.Event()
        self._loop = loop

    def look_up(self, host: str, port: int) -> Sequence[Address]:
        self.asked += 1
        self._loop.call_soon_threadsafe(self.began.set)
        self.open.wait(10)
        if self.failure is not None:
            raise self.failure
        return FOUND


@contextmanager
def silent() -> Iterator[Server]:
    """One that is silent before the end."""
    server = Server(asyncio.get_running_loop())
    yield server
    server.open.set()


async def asking(resolver: Resolver, server: Server) -> "asyncio.Task[Sequence[Address]]":
    """A lookup that has begun by now."""
    task = asyncio.create_task(resolver.addresses_of("name", 80))
    await server.began.wait()
    return task


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
async def test_an_address_is_no_name(host: str, family: socket.AddressFamily) -> None:
    with silent() as server:
        ((found, address),) = await Resolver(server.look_up).addresses_of(host, 81)
        assert (found, address[:2], server.asked) == (family, (host, 81), 0)


async def test_a_lookup_under_way_is_shared() -> None:
    with silent() as server:
        resolver = Resolver(server.look_up)
        asked = [await asking(resolver, server) for _ in range(20)]
        server.open.set()
        assert await asyncio.gather(*asked) == [FOUND] * 20
        assert server.asked == 1
        assert await resolver.addresses_of("name", 80) == FOUND
        assert server.asked == 2


async def test_the_silence_about_one_name_holds_up_no_other() -> None:
    with silent() as server, silent() as other:
        other.open.set()
        silenced = [await asking(Resolver(server.look_up), server) for _ in range(20)]
        assert await Resolver(other.look_up).addresses_of("other", 80) == FOUND
        server.open.set()
        assert await asyncio.gather(*silenced) == [FOUND] * 20


async def test_an_old_lookup_is_not_shared() -> None:
    with silent() as server:
        resolver = Resolver(server.look_up, shared_for=0.0)
        asked = []
        for number in range(3):
            server.began.clear()
            asked.append(await asking(resolver, server))
            assert server.asked == number + 1
        server.open.set()
        assert await asyncio.gather(*asked) == [FOUND] * 3


async def test_a_failure_reaches_all_waiters_and_is_not_kept() -> None:
    with silent() as server:
        resolver = Resolver(server.look_up)
        server.failure = socket.gaierror(-2, "Name or service not known")
        asked = [await asking(resolver, server) for _ in range(3)]
        server.open.set()
        assert await asyncio.gather(*asked, return_exceptions=True) == [server.failure] * 3
        server.failure = None
        assert await resolver.addresses_of("name", 80) == FOUND


async def test_a_waiter_that_leaves_hurts_no_other() -> None:
    with silent() as server:
        resolver = Resolver(server.look_up)
        first, second = await asking(resolver, server), await asking(resolver, server)
        first.cancel()
        await asyncio.wait([first])
        server.open.set()
        assert await second == FOUND
        assert (first.cancelled(), server.asked) == (True, 1)


async def test_without_a_thread_left_it_fails_and_the_next_one_may_succeed(mocker: MockerFixture) -> None:
    with silent() as server:
        resolver = Resolver(server.look_up)
        server.open.set()
        started = mocker.patch("talaria.adapters.http1.resolver.Thread.start", side_effect=RuntimeError)
        with pytest.raises(OSError, match="no thread left") as caught:
            await resolver.addresses_of("name", 80)
        assert is_local(caught.value)
        mocker.stop(started)
        assert await resolver.addresses_of("name", 80) == FOUND


V4 = [(socket.AF_INET, (f"192.0.2.{number}", 80)) for number in (1, 2, 3)]
V6 = [(socket.AF_INET6, (f"2001:db8::{number}", 80, 0, 0)) for number in (1, 2)]


def knowing(*addresses: Address, demoted_for: float = 30.0) -> Resolver:
    """A resolver of a name with these addresses."""
    return Resolver(lambda host, port: addresses, demoted_for=demoted_for)


async def test_connections_are_spread_over_the_addresses() -> None:
    resolver = knowing(*V4)
    firsts = [(await resolver.in_order("name", 80))[0] for _ in range(30)]
    assert [firsts.count(address) for address in V4] == [10, 10, 10]
    assert sorted(await resolver.in_order("name", 80)) == sorted(V4), "and none is left out"


@pytest.mark.parametrize("addresses", [[*V6, *V4], [V6[0], *V4, V6[1]]])
async def test_families_take_turns_the_systems_first_choice_first(addresses: list[Address]) -> None:
    resolver = knowing(*addresses)
    for _ in range(6):
        found = await resolver.in_order("name", 80)
        families = [family for family, _ in found]
        assert families[:4] == [socket.AF_INET6, socket.AF_INET, socket.AF_INET6, socket.AF_INET]
        assert sorted(found) == sorted(addresses)


async def test_an_address_that_failed_goes_last_for_a_while() -> None:
    resolver = knowing(*V4)
    resolver.failed(V4[0])
    for _ in range(3):
        assert (await resolver.in_order("name", 80))[2] == V4[0]
    for address in V4:
        resolver.failed(address)
    assert sorted(await resolver.in_order("name", 80)) == sorted(V4), "where all failed, all are tried"
    resolver = knowing(*V4, demoted_for=0.0)
    resolver.failed(V4[0])
    assert {(await resolver.in_order("name", 80))[0] for _ in range(3)} == set(V4)
