"""The law of the connection, state by state, without a socket."""

import asyncio

import pytest

from talaria.adapters.http1.response_body import HIGH_WATER
from talaria.adapters.http1.write_batcher import Outbox
from talaria.domain.errors import BadAnswer, TimedOut, Unreachable
from tests.support_refusals import by
from tests.unit.adapters.http1.support_http1 import Wire, outcome_of

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def test_a_whole_answer_gives_the_connection_back_before_anybody_awaits() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(HELLO)
    answer = future.result()
    assert (answer.status, answer.complete_body, wire.keeper.released) == (200, b"hello", 1)
    assert [chunk async for chunk in answer.body] == [b"hello"]


async def test_a_connection_serves_again_and_again() -> None:
    wire = Wire()
    for served in range(3):
        assert wire.connection.served == served
        future = wire.begin()
        wire.feed(HELLO)
        assert future.result().complete_body == b"hello"
    assert (wire.keeper.released, wire.transport.writes, wire.transport.ended) == (3, 3, "")


async def test_a_whole_chunked_answer_is_whole() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(CHUNKED + b"5\r\nhello\r\n2\r\n, \r\n0\r\na: b\r\n\r\n")
    assert (future.result().complete_body, wire.keeper.released) == (b"hello, ", 1)


async def test_a_body_in_pieces_is_a_stream() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(HELLO[:-3])
    answer = future.result()
    assert answer.complete_body is None
    assert await anext(answer.body) == b"he"
    wire.feed(b"l")
    assert await anext(answer.body) == b"l"
    assert wire.keeper.released == 0
    wire.feed(b"lo")
    assert wire.keeper.released == 1
    assert [chunk async for chunk in answer.body] == [b"lo"]


@pytest.mark.parametrize("surplus", [b"\r\n", b"H", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
@pytest.mark.parametrize(
    ("method", "raw", "body"),
    [
        ("GET", HELLO, b"hello"),
        ("GET", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        ("HEAD", HELLO[:-5], b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b""),
    ],
)
async def test_bytes_after_the_end_close_the_connection(method: str, raw: bytes, body: bytes, surplus: bytes) -> None:
    outcome = await outcome_of([raw + surplus], method)
    assert isinstance(outcome, tuple)
    assert outcome[2:] == (body, False)
    wire = Wire()
    wire.begin(method)
    wire.feed(raw, surplus)
    assert (wire.transport.ended, wire.keeper.forgotten) == ("closed", 1)


async def test_surplus_after_a_streamed_body_closes_the_connection() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(HELLO[:-3], b"lloX")
    assert b"".join([chunk async for chunk in future.result().body]) == b"hello"
    assert (wire.transport.ended, wire.keeper.released) == ("closed", 0)


@pytest.mark.parametrize("event", ["byte", "eof", "lost"])
async def test_nothing_may_happen_to_an_idle_connection(event: str) -> None:
    wire = Wire()
    if event == "byte":
        wire.feed(b"H")
    elif event == "eof":
        wire.connection.eof_received()
    else:
        wire.connection.connection_lost(None)
    assert wire.connection.closed
    assert (bool(wire.transport.ended), wire.keeper.forgotten) == (True, 1)


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200", HELLO[:-1], CHUNKED, CHUNKED + b"5\r\nhel"])
async def test_an_early_end_of_file_breaks_the_answer(raw: bytes) -> None:
    assert await outcome_of([raw]) == "Unreachable"


async def test_a_body_without_another_end_ends_with_the_connection() -> None:
    outcome = await outcome_of([b"HTTP/1.1 200 OK\r\n\r\nab", b"c"])
    assert outcome == (200, [], b"abc", False)


async def test_a_reset_does_not_end_a_body() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(b"HTTP/1.1 200 OK\r\n\r\nab")
    wire.connection.connection_lost(ConnectionResetError())
    body = future.result().body
    assert await anext(body) == b"ab"
    with pytest.raises(Unreachable, check=by("upstream")):
        await anext(body)


@pytest.mark.parametrize("header", [b"connection: close", b"Connection: x, close"])
async def test_close_is_obeyed(header: bytes) -> None:
    outcome = await outcome_of([b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n" + header + b"\r\n\r\nx"])
    assert isinstance(outcome, tuple)
    assert outcome[2:] == (b"x", False)


async def test_a_refused_head_ends_the_connection() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(b"HTTP/1.1 200 OK\r\na : b\r\n\r\n")
    with pytest.raises(BadAnswer, check=by("upstream")):
        await future
    assert (wire.transport.ended, wire.keeper.forgotten) == ("aborted", 1)


async def test_a_broken_chunk_reaches_the_reader_after_what_was_good() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(CHUNKED + b"2\r\nab\r\n", b"zz\r\n")
    body = future.result().body
    assert await anext(body) == b"ab"
    with pytest.raises(BadAnswer, check=by("upstream")):
        await anext(body)


async def test_bytes_that_come_before_the_request_is_written_are_no_answer_to_it() -> None:
    wire = Wire()
    wire.keeper.outbox = Outbox()
    future = wire.begin()
    wire.feed(HELLO)
    with pytest.raises(Unreachable, match="before", check=by("upstream")):
        await future
    assert (wire.connection.heard, wire.transport.writes, wire.transport.ended) == (False, 0, "aborted")
    assert wire.keeper.forgotten == 1


async def test_a_request_that_is_given_up_before_it_is_written_never_is() -> None:
    wire = Wire()
    wire.keeper.outbox = Outbox()
    wire.connection.abandon(wire.begin())
    wire.keeper.outbox.flush()
    assert (wire.transport.writes, wire.transport.ended) == (0, "aborted")


async def test_abandoning_a_request_closes_its_connection() -> None:
    wire = Wire()
    future = wire.begin()
    wire.connection.abandon(future)
    assert (wire.transport.ended, wire.keeper.forgotten) == ("aborted", 1)


async def test_abandoning_an_answer_that_is_whole_leaves_the_connection_to_its_next_owner() -> None:
    wire = Wire()
    first = wire.begin()
    wire.feed(HELLO)
    second = wire.begin()
    wire.connection.abandon(first)
    wire.feed(HELLO)
    assert second.result().complete_body == b"hello"
    assert wire.transport.ended == ""


async def test_whoever_was_cancelled_before_the_answer_came_owns_nothing_of_the_next_request() -> None:
    wire = Wire()
    first = wire.begin()
    owner = asyncio.ensure_future(wire.owned(first))
    await asyncio.sleep(0)
    owner.cancel()
    wire.feed(HELLO)
    second = wire.begin()
    with pytest.raises(asyncio.CancelledError):
        await owner
    wire.feed(HELLO)
    assert second.result().complete_body == b"hello"
    assert wire.transport.ended == ""


async def test_an_answer_that_comes_to_nobody_is_dropped() -> None:
    wire = Wire()
    future = wire.begin()
    future.cancel()
    wire.feed(HELLO[:-1])
    assert (wire.transport.ended, wire.keeper.forgotten) == ("aborted", 1)


async def test_closing_a_body_that_is_not_complete_closes_the_connection_at_once() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(HELLO[:-1])
    await future.result().body.aclose()
    assert (wire.transport.ended, wire.keeper.forgotten) == ("aborted", 1)
    assert [chunk async for chunk in future.result().body] == []


async def test_a_reader_that_is_cancelled_gives_the_connection_up() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(HELLO[:-5])
    reading = asyncio.ensure_future(anext(future.result().body))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (wire.transport.ended, wire.keeper.forgotten) == ("aborted", 1)


async def test_a_slow_reader_stops_the_sender_and_goes_on() -> None:
    wire = Wire()
    future = wire.begin()
    wire.feed(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * HIGH_WATER)
    assert wire.transport.reading
    wire.feed(b"y")
    assert not wire.transport.reading
    body = future.result().body
    await anext(body)
    await anext(body)
    assert wire.transport.reading


async def test_a_connection_that_goes_back_reads() -> None:
    wire = Wire()
    wire.begin()
    wire.feed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (HIGH_WATER + 1), b"x" * (HIGH_WATER + 1))
    assert (wire.transport.reading, wire.keeper.released) == (True, 1)


async def test_the_head_must_come_in_time() -> None:
    wire = Wire()
    future = wire.connection.begin(b"x", False, wire.loop.time() + 0.005, 60.0)
    with pytest.raises(TimedOut, match="head", check=by("upstream")):
        await future
    assert (wire.transport.ended, wire.keeper.forgotten) == ("aborted", 1)


async def test_a_silence_inside_the_body_is_bounded() -> None:
    wire = Wire()
    future = wire.connection.begin(b"x", False, wire.loop.time() + 60, 0.005)
    wire.feed(HELLO[:-1])
    body = (await future).body
    assert await anext(body) == b"hell"
    with pytest.raises(TimedOut, match="silence", check=by("upstream")):
        await anext(body)


async def test_an_idle_connection_knows_no_deadline() -> None:
    wire = Wire()
    wire.connection.begin(b"x", False, wire.loop.time() + 0.005, 0.005)
    wire.feed(HELLO)
    waited = wire.loop.create_future()
    wire.loop.call_later(0.02, waited.set_result, None)
    await waited
    assert not wire.connection.closed
