"""The state machine of the connection, state by state, without a socket."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from talaria.adapters.http1.errors import ConnectionClosed, ReadTimeout, RemoteProtocolError
from talaria.adapters.http1.request_body import BodyWriter
from talaria.adapters.http1.response_body import HIGH_WATER
from talaria.adapters.http1.write_batcher import WriteBatcher
from talaria.domain.http import UpstreamResponse
from tests.unit.adapters.http1.support_http1 import Harness, outcome_of
from tests.unit.support_time import run

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def test_a_whole_answer_gives_the_connection_back_before_it_is_awaited() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(HELLO)
    answer = future.result()
    assert (answer.status, answer.complete_body, harness.idle) == (200, b"hello", 1)
    assert [chunk async for chunk in answer.body] == [b"hello"]


async def test_a_connection_serves_again_and_again() -> None:
    harness = Harness()
    for served in range(3):
        assert harness.connection.served == served
        future = harness.begin()
        harness.feed(HELLO)
        assert future.result().complete_body == b"hello"
    assert (harness.idle, harness.transport.writes, harness.transport.ended) == (3, 3, "")


async def test_a_whole_chunked_answer_is_whole() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(CHUNKED + b"5\r\nhello\r\n2\r\n, \r\n0\r\na: b\r\n\r\n")
    assert (future.result().complete_body, harness.idle) == (b"hello, ", 1)


async def test_a_body_in_pieces_is_a_stream() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(HELLO[:-3])
    answer = future.result()
    assert answer.complete_body is None
    assert await anext(answer.body) == b"he"
    harness.feed(b"l")
    assert await anext(answer.body) == b"l"
    assert harness.idle == 0
    harness.feed(b"lo")
    assert harness.idle == 1
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
    harness = Harness()
    harness.begin(method)
    harness.feed(raw, surplus)
    assert (harness.transport.ended, harness.forgotten) == ("closed", 1)


async def test_surplus_after_a_streamed_body_closes_the_connection() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(HELLO[:-3], b"lloX")
    assert b"".join([chunk async for chunk in future.result().body]) == b"hello"
    assert (harness.transport.ended, harness.idle) == ("closed", 0)


@pytest.mark.parametrize("event", ["byte", "eof", "lost"])
async def test_nothing_may_happen_to_an_idle_connection(event: str) -> None:
    harness = Harness()
    if event == "byte":
        harness.feed(b"H")
    elif event == "eof":
        harness.connection.eof_received()
    else:
        harness.connection.connection_lost(None)
    assert harness.connection.closed
    assert (bool(harness.transport.ended), harness.forgotten) == (True, 1)


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200", HELLO[:-1], CHUNKED, CHUNKED + b"5\r\nhel"])
async def test_an_early_end_of_file_breaks_the_answer(raw: bytes) -> None:
    assert await outcome_of([raw]) == "ConnectionClosed"


async def test_a_body_without_another_end_ends_with_the_connection() -> None:
    outcome = await outcome_of([b"HTTP/1.1 200 OK\r\n\r\nab", b"c"])
    assert outcome == (200, [], b"abc", False)


async def test_a_reset_does_not_end_a_body() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(b"HTTP/1.1 200 OK\r\n\r\nab")
    harness.connection.connection_lost(ConnectionResetError())
    body = future.result().body
    assert await anext(body) == b"ab"
    with pytest.raises(ConnectionClosed):
        await anext(body)


@pytest.mark.parametrize("header", [b"connection: close", b"Connection: x, close"])
async def test_close_is_obeyed(header: bytes) -> None:
    outcome = await outcome_of([b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n" + header + b"\r\n\r\nx"])
    assert isinstance(outcome, tuple)
    assert outcome[2:] == (b"x", False)


async def test_a_refused_head_ends_the_connection() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(b"HTTP/1.1 200 OK\r\na : b\r\n\r\n")
    with pytest.raises(RemoteProtocolError):
        await future
    assert (harness.transport.ended, harness.forgotten) == ("aborted", 1)


async def test_a_broken_chunk_reaches_the_reader_after_what_was_good() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(CHUNKED + b"2\r\nab\r\n", b"zz\r\n")
    body = future.result().body
    assert await anext(body) == b"ab"
    with pytest.raises(RemoteProtocolError):
        await anext(body)


async def test_bytes_that_come_before_the_request_is_written_are_no_answer_to_it() -> None:
    batcher = WriteBatcher()
    harness = Harness(batcher)
    future = harness.begin()
    harness.feed(HELLO)
    with pytest.raises(ConnectionClosed, match="before"):
        await future
    assert (harness.connection.heard, harness.transport.writes, harness.transport.ended) == (False, 0, "aborted")
    assert harness.forgotten == 1


async def test_a_request_of_which_nothing_was_written_says_so_and_one_with_a_body_never_does() -> None:
    harness = Harness(WriteBatcher())
    future = harness.begin()
    harness.feed(HELLO)
    assert error_of(future).request_sent is False
    harness = Harness()
    future = harness.begin()
    harness.end_of_file()
    assert error_of(future).request_sent is True
    harness = Harness()
    body = BodyWriter(aiter_of(), 5)
    future = harness.connection.begin(b"x", False, harness.loop.time() + 60, 60.0, body)
    harness.feed(HELLO)
    assert (error_of(future).request_sent, harness.transport.writes) == (True, 0)


def error_of(future: "asyncio.Future[UpstreamResponse]") -> ConnectionClosed:
    """What ended the request."""
    error = future.exception()
    assert isinstance(error, ConnectionClosed)
    return error


async def aiter_of(*pieces: bytes) -> AsyncIterator[bytes]:
    """A body."""
    for piece in pieces:
        yield piece


async def test_a_request_that_is_given_up_before_it_is_written_never_is() -> None:
    batcher = WriteBatcher()
    harness = Harness(batcher)
    harness.connection.abandon(harness.begin())
    batcher.flush()
    assert (harness.transport.writes, harness.transport.ended) == (0, "aborted")


async def test_abandoning_a_request_closes_its_connection() -> None:
    harness = Harness()
    future = harness.begin()
    harness.connection.abandon(future)
    assert (harness.transport.ended, harness.forgotten) == ("aborted", 1)


async def test_abandoning_an_answer_that_is_whole_leaves_the_connection_to_its_next_owner() -> None:
    harness = Harness()
    first = harness.begin()
    harness.feed(HELLO)
    second = harness.begin()
    harness.connection.abandon(first)
    harness.feed(HELLO)
    assert second.result().complete_body == b"hello"
    assert harness.transport.ended == ""


async def test_an_owner_that_was_cancelled_before_the_response_came_owns_nothing_of_the_next_request() -> None:
    harness = Harness()
    first = harness.begin()
    owner = asyncio.ensure_future(harness.owned(first))
    await asyncio.sleep(0)
    owner.cancel()
    harness.feed(HELLO)
    second = harness.begin()
    with pytest.raises(asyncio.CancelledError):
        await owner
    harness.feed(HELLO)
    assert second.result().complete_body == b"hello"
    assert harness.transport.ended == ""


async def test_a_response_without_an_owner_is_dropped() -> None:
    harness = Harness()
    future = harness.begin()
    future.cancel()
    harness.feed(HELLO[:-1])
    assert (harness.transport.ended, harness.forgotten) == ("aborted", 1)


async def test_closing_a_body_that_is_not_complete_closes_the_connection_at_once() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(HELLO[:-1])
    await future.result().body.aclose()
    assert (harness.transport.ended, harness.forgotten) == ("aborted", 1)
    assert [chunk async for chunk in future.result().body] == []


async def test_a_reader_that_is_cancelled_gives_the_connection_up() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(HELLO[:-5])
    reading = asyncio.ensure_future(anext(future.result().body))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (harness.transport.ended, harness.forgotten) == ("aborted", 1)


async def test_a_slow_reader_stops_the_sender_and_goes_on() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * HIGH_WATER)
    assert harness.transport.reading
    harness.feed(b"y")
    assert not harness.transport.reading
    body = future.result().body
    await anext(body)
    await anext(body)
    assert harness.transport.reading


async def test_a_connection_that_goes_back_reads() -> None:
    harness = Harness()
    harness.begin()
    harness.feed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (HIGH_WATER + 1), b"x" * (HIGH_WATER + 1))
    assert (harness.transport.reading, harness.idle) == (True, 1)


async def test_the_head_must_come_in_time() -> None:
    harness = Harness()
    future = harness.connection.begin(b"x", False, harness.loop.time() + 0.005, 60.0)
    with pytest.raises(ReadTimeout, match="head"):
        await future
    assert (harness.transport.ended, harness.forgotten) == ("aborted", 1)


async def test_a_silence_inside_the_body_is_bounded() -> None:
    harness = Harness()
    future = harness.connection.begin(b"x", False, harness.loop.time() + 60, 0.005)
    harness.feed(HELLO[:-1])
    body = (await future).body
    assert await anext(body) == b"hell"
    with pytest.raises(ReadTimeout, match="silence"):
        await anext(body)


def test_a_body_that_moves_knows_no_silence_though_its_reader_rests() -> None:
    async def main() -> None:
        harness = Harness()
        future = harness.connection.begin(b"x", False, harness.loop.time() + 60, 1.0)
        harness.feed(HELLO[:-5])
        for at in range(len(HELLO) - 5, len(HELLO)):
            await asyncio.sleep(0.9)
            harness.feed(HELLO[at : at + 1])
        assert b"".join([piece async for piece in (await future).body]) == b"hello"

    run(main())


async def test_an_idle_connection_knows_no_deadline() -> None:
    harness = Harness()
    harness.connection.begin(b"x", False, harness.loop.time() + 0.005, 0.005)
    harness.feed(HELLO)
    waited = harness.loop.create_future()
    harness.loop.call_later(0.02, waited.set_result, None)
    await waited
    assert not harness.connection.closed


async def test_to_abandon_a_request_that_was_answered_leaves_the_idle_connection_alone() -> None:
    harness = Harness()
    future = harness.begin()
    harness.feed(HELLO)
    harness.connection.abandon(future)
    assert (harness.transport.ended, harness.idle) == ("", 1)


async def test_the_idle_timeout_begins_with_the_head() -> None:
    harness = Harness()
    future = harness.connection.begin(b"x", False, harness.loop.time() + 60, 0.005)
    harness.feed(HELLO[:-5])
    with pytest.raises(ReadTimeout, match="silence"):
        await anext((await future).body)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072])
async def test_a_read_that_fills_the_buffer_may_have_left_more_behind(size: int) -> None:
    harness = Harness()
    harness.begin()
    harness.feed(response_of(size))
    assert (harness.transport.ended, harness.idle) == (("closed", 0) if size % 65_536 == 0 else ("", 1))


def response_of(size: int) -> bytes:
    """A response of so many bytes, head and all."""
    for digits in (5, 6):
        length = size - len(b"HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n") - digits
        if len(str(length)) == digits:
            return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length + b"x" * length
    raise AssertionError


@pytest.mark.parametrize("what", [b"H", b""])
@pytest.mark.parametrize("body", [None, b"a", b"x" * 20_000])
async def test_what_lies_in_the_socket_of_a_kept_connection_is_seen_before_it_is_used(
    what: bytes, body: bytes | None
) -> None:
    ours, theirs = socket.socketpair()
    harness = Harness(sock=ours)
    harness.begin()
    harness.feed(HELLO)
    if what:
        theirs.send(what)
    else:
        theirs.close()
    writer = None if body is None else BodyWriter(aiter_of(body), len(body))
    future = harness.connection.begin(b"HEAD|", False, harness.loop.time() + 60, 60.0, writer)
    assert error_of(future).request_sent is False
    assert (harness.transport.writes, harness.transport.ended) == (1, "aborted")
    ours.close()
    theirs.close()


async def test_what_arrives_while_a_small_body_is_awaited_is_seen_before_it_is_written() -> None:
    ours, theirs = socket.socketpair()
    harness = Harness(sock=ours)
    harness.begin()
    harness.feed(HELLO)
    body = BodyWriter(aiter_of(b"a"), 1)
    future = harness.connection.begin(b"HEAD|", False, harness.loop.time() + 60, 60.0, body)
    theirs.send(b"H")
    with pytest.raises(ConnectionClosed) as caught:
        await future
    assert (caught.value.request_sent, harness.transport.writes) == (True, 1)
    ours.close()
    theirs.close()


async def test_a_new_connection_is_not_asked() -> None:
    """TLS may have sent tickets that nothing has read yet."""
    ours, theirs = socket.socketpair()
    theirs.send(b"ticket")
    harness = Harness(sock=ours)
    future = harness.begin()
    harness.feed(HELLO)
    assert future.result().complete_body == b"hello"
    ours.close()
    theirs.close()
