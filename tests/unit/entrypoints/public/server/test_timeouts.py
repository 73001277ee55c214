"""Once a second a connection is looked over: who waits for too long, who does not read, who has left."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from talaria.entrypoints.public.server.pipeline import has_left
from tests.unit.entrypoints.public.server.support_server import LIMITS, ClientTransport, Door, get, post

CLOSE = (b"connection", b"close")
SLOW_HEAD = [(499, "client-gone", "slow with its head")]
HEAD, KEPT = LIMITS.header_timeout, LIMITS.keepalive_timeout


async def test_a_kept_connection_has_its_time() -> None:
    door = Door()
    await door.feed(get("/"))
    door.look_over(100)
    await door.answer()
    door.look_over(KEPT - 1)
    assert door.transport.ended == ""
    door.look_over(KEPT + 1)
    assert door.transport.ended == "closed"


async def test_a_head_has_its_time_after_an_earlier_answer_and_none_during_it() -> None:
    door = Door()
    await door.feed(get("/") + b"GET /2 HTT")
    door.look_over(100)
    assert door.transport.ended == ""
    await door.answer()
    door.look_over(HEAD - 1)
    assert door.transport.ended == ""
    door.look_over(HEAD + 1)
    assert (door.transport.ended, door.cut_off) == ("closed", SLOW_HEAD)


@pytest.mark.parametrize(("arrived", "noted"), [(b"", []), (b"\r\n", []), (b"G", [1]), (b"GET / HTTP/1.1\r\n", [1])])
async def test_a_slow_head_is_noted_and_a_connection_without_one_is_not(arrived: bytes, noted: list[int]) -> None:
    door = Door()
    await door.feed(arrived)
    door.look_over(HEAD - 1)
    assert door.transport.ended == ""
    door.look_over(HEAD + 1)
    assert (door.transport.ended, door.cut_off) == ("closed", SLOW_HEAD * len(noted))
    assert door.transport.written == b""


async def test_a_refused_head_is_not_noted_a_second_time() -> None:
    door = Door()
    await door.feed(b"GET / HTTP/1.1\r\nnonsense\r\n")
    assert len(door.refused) == 1
    door.look_over(HEAD + 1)
    assert (door.aborted, door.cut_off) == (True, [])


async def test_a_closed_connection_whose_client_reads_nothing_is_cut_off() -> None:
    door = Door()
    await door.feed(get("/"))
    await door.stuck()
    await door.answer(b"", CLOSE)
    for later in (0, KEPT - 1):
        door.look_over(later)
    assert not door.aborted
    door.look_over(KEPT + 1)
    assert door.aborted


async def test_parked_requests_of_a_client_that_reads_nothing_are_cut_off() -> None:
    door = Door()
    await door.feed(get("/1") + get("/2"))
    await door.stuck()
    await door.answer()
    door.look_over(0)
    door.look_over(KEPT - 1)
    assert not door.aborted
    door.look_over(KEPT + 1)
    assert door.aborted


async def _last_answer(door: Door) -> None:
    await door.feed(get("/"))
    await door.stuck()
    await door.answer(b"", CLOSE)


async def _answer_before_the_end_of_its_request(door: Door) -> None:
    await door.feed(post("/", b"hello")[:-1])
    await door.stuck()
    await door.answer()


async def _answer_before_another_request(door: Door) -> None:
    await door.feed(get("/1") + get("/2"))
    await door.stuck()
    await door.answer()


SLOW = [_last_answer, _answer_before_the_end_of_its_request, _answer_before_another_request]


@pytest.mark.parametrize("answered", SLOW)
async def test_a_slow_reader_is_not_cut_off_while_it_reads(answered: Callable[[Door], Awaitable[None]]) -> None:
    door = Door()
    await answered(door)
    for second in range(60):
        door.transport.unsent -= 1000
        door.look_over(second)
    assert not door.aborted
    door.look_over(60 + KEPT)
    assert door.aborted


async def test_what_was_served_for_long_and_is_closed_has_its_time_to_be_read() -> None:
    """Over TLS it can't be seen how much is unsent."""
    door = Door()
    await door.feed(get("/"))
    door.connection._since -= 1000
    await door.answer(b"", CLOSE)
    door.look_over(1)
    assert door.transport.ended == "closed"


def _transport_of(sock: socket.socket) -> asyncio.Transport:
    transport = ClientTransport()
    transport.sock = sock
    return transport


async def test_nothing_is_known_of_what_is_no_tcp_socket() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert not has_left(_transport_of(one))
    assert not has_left(asyncio.Transport())
