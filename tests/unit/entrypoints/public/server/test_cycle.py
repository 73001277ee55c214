"""One request and its response: what is read of it, what is written, and how it is cut."""

import asyncio

import pytest

from talaria.domain.errors import BadRequest, ClientGone
from talaria.domain.http import Headers
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.framing import NO_BODY, Framing
from tests.unit.entrypoints.public.support_cycle import CHUNKED, GONE, MemoryLink, arrived, chunk
from tests.unit.support_time import clock, run, settle

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECTS = Framing(length=3, expects_continue=True)
LENGTH: Headers = [(b"content-length", b"4")]


def head_of(link: MemoryLink) -> list[bytes]:
    """The lines of the head that was written."""
    return link.written.partition(b"\r\n\r\n")[0].split(b"\r\n")


def body_of(link: MemoryLink) -> bytes:
    """What was written behind it."""
    return link.written.partition(b"\r\n\r\n")[2]


# The request's body


async def test_a_body_is_given_as_it_arrives_with_whether_more_is_to_come() -> None:
    cycle, _ = arrived(framing=CHUNKED, pieces=[chunk(b"a"), chunk(b"b"), chunk(more=False)])
    assert [await cycle.receive() for _ in range(3)] == [(b"a", True), (b"b", True), (b"", False)]


async def test_pieces_that_wait_are_given_together() -> None:
    cycle, link = arrived(framing=CHUNKED)
    assert [cycle.feed(b"ab"), cycle.feed(b"c")] == [2, 3]
    assert await cycle.receive() == (b"abc", True)
    assert (cycle.feed(b"d"), link.sent) == (1, 0)


async def test_what_arrives_behind_a_complete_response_is_dropped() -> None:
    cycle, _ = arrived(framing=CHUNKED)
    cycle.respond(200, [], b"")
    assert cycle.feed(b"x" * 1000) == 0


@pytest.mark.parametrize("before", [[], [chunk(b"a")]])
async def test_a_disconnect_ends_the_reading(before: list[object]) -> None:
    cycle, _ = arrived(framing=CHUNKED, pieces=[chunk(b"a"), GONE] if before else [GONE])
    if before:
        assert await cycle.receive() == (b"a", True)
    with pytest.raises(ClientGone):
        await cycle.receive()


async def test_a_disconnect_is_told_once_and_wakes_the_reader() -> None:
    cycle, _ = arrived(framing=CHUNKED)
    told: list[str] = []
    cycle.on_disconnect = lambda: told.append("gone")
    reading = asyncio.create_task(cycle.receive())
    await asyncio.sleep(0)
    cycle.disconnect()
    with pytest.raises(ClientGone):
        await reading
    assert told == ["gone"]


@pytest.mark.parametrize(
    ("framing", "ended", "empty"),
    [(NO_BODY, True, True), (CHUNKED, False, False), (CHUNKED, True, True), (Framing(3), False, False)],
)
async def test_whether_a_body_is_known_to_be_empty(framing: Framing, ended: bool, empty: bool) -> None:
    cycle, _ = arrived(framing=framing)
    if ended:
        cycle.feed_eof()
    assert cycle.body_is_empty is empty


async def test_a_body_with_a_byte_or_a_broken_framing_is_not_empty() -> None:
    full, broken = arrived(framing=CHUNKED)[0], arrived(framing=CHUNKED)[0]
    full.feed(b"x")
    full.feed_eof()
    broken.break_body()
    broken.feed_eof()
    assert not full.body_is_empty
    assert not broken.body_is_empty


def test_only_a_body_has_an_end_in_time() -> None:
    async def main() -> None:
        cycle, bodyless = arrived(framing=CHUNKED)[0], arrived()[0]
        assert (cycle.ended_at, bodyless.ended_at) == (None, None)
        clock().move(3.0)
        cycle.feed_eof()
        assert cycle.ended_at == clock().now()

    run(main())


async def test_the_client_is_told_to_continue_once_and_only_when_its_body_is_read() -> None:
    cycle, link = arrived(framing=EXPECTS, pieces=[chunk(b"a"), chunk(b"bc", more=False)])
    assert link.written == b""
    await cycle.receive()
    await cycle.receive()
    assert link.written == CONTINUE


async def test_a_client_that_has_its_response_is_not_told_to_continue() -> None:
    cycle, link = arrived(framing=EXPECTS, pieces=[chunk(b"abc", more=False)])
    cycle.begin(200, LENGTH)
    await cycle.receive()
    assert CONTINUE not in link.written


async def test_a_waiting_reader_hears_that_the_body_is_broken() -> None:
    cycle, _ = arrived(framing=CHUNKED)
    reading = asyncio.create_task(cycle.receive())
    await asyncio.sleep(0)
    cycle.break_body()
    assert await reading == (b"", True)
    assert not cycle.keep_alive


# The response


async def test_a_complete_response_is_one_write_at_the_end_of_the_turn() -> None:
    cycle, link = arrived()
    cycle.respond(200, [(b"x-a", b"1"), *LENGTH], b"body")
    assert head_of(link) == [b"HTTP/1.1 200 OK", b"x-a: 1", b"content-length: 4"]
    assert (body_of(link), link.batched, link.completed) == (b"body", 1, [cycle])


@pytest.mark.parametrize("why", ["close", "a final error"])
async def test_the_last_response_of_a_connection_is_written_at_once(why: str) -> None:
    cycle, link = arrived()
    if why == "close":
        cycle.keep_alive = False
    else:
        cycle.final_error = BadRequest()
    cycle.respond(200, LENGTH, b"body")
    assert (link.batched, body_of(link)) == (0, b"body")
    assert (b"connection: close" in head_of(link)) is (why == "close")


async def test_a_connection_header_of_the_application_only_closes() -> None:
    cycle, link = arrived()
    cycle.respond(200, [(b"connection", b"x-a"), *LENGTH], b"body")
    assert head_of(link)[1:] == [b"content-length: 4", b"connection: close"]
    assert not cycle.keep_alive


@pytest.mark.parametrize(("framing", "closes"), [(CHUNKED, True), (Framing(5), True), (Framing(0), False)])
async def test_a_response_before_the_end_of_its_request_is_the_last_one(framing: Framing, closes: bool) -> None:
    cycle, link = arrived(framing=framing)
    cycle.respond(413, [], b"")
    assert (b"connection: close" in head_of(link), not cycle.keep_alive) == (closes, closes)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_a_response_without_a_body_gets_none_and_no_framing(method: str, status: int) -> None:
    cycle, link = arrived(method=method)
    cycle.begin(status, [(b"x-a", b"1")])
    await cycle.write(b"body")
    cycle.finish()
    assert (head_of(link)[1:], body_of(link), link.completed) == ([b"x-a: 1"], b"", [cycle])


async def test_a_stream_without_a_length_is_chunked() -> None:
    cycle, link = arrived()
    cycle.begin(200, [])
    for piece in (b"a" * 17, b"", b"b"):
        await cycle.write(piece)
    cycle.finish()
    assert b"transfer-encoding: chunked" in head_of(link)
    assert body_of(link) == b"11\r\n" + b"a" * 17 + b"\r\n1\r\nb\r\n0\r\n\r\n"


async def test_a_stream_without_a_length_ends_with_the_connection_for_http_1_0() -> None:
    cycle, link = arrived(http10=True)
    cycle.begin(200, [])
    await cycle.write(b"body")
    assert (head_of(link)[1:], body_of(link)) == ([b"connection: close"], b"body")
    cycle.finish()
    assert (link.completed, link.ended) == ([cycle], "")


@pytest.mark.parametrize(
    ("http10", "headers", "ended"), [(True, [], "reset"), (True, LENGTH, "aborted"), (False, [], "aborted")]
)
async def test_what_is_cut_never_looks_complete(http10: bool, headers: Headers, ended: str) -> None:
    cycle, link = arrived(http10=http10)
    cycle.begin(200, headers)
    await cycle.write(b"a")
    cycle.abort()
    assert (link.ended, cycle.disconnected, link.completed) == (ended, True, [])


async def test_a_request_that_is_cut_before_its_response_is_not_reset() -> None:
    cycle, link = arrived(http10=True)
    cycle.abort()
    assert link.ended == "aborted"


async def test_nothing_is_written_to_a_client_that_has_disconnected() -> None:
    cycle, link = arrived()
    cycle.disconnect()
    cycle.respond(200, LENGTH, b"body")
    cycle.begin(200, LENGTH)
    with pytest.raises(ClientGone):
        await cycle.write(b"x")
    cycle.finish()
    assert (link.written, link.completed) == (b"", [])


# A client that does not read


def streaming() -> tuple[RequestResponseCycle, MemoryLink]:
    """A response under way, to a client that reads nothing any more."""
    cycle, link = arrived()
    cycle.idle_timeout = 7.0
    cycle.begin(200, [])
    link.stuck()
    return cycle, link


def test_a_write_waits_while_the_client_does_not_read() -> None:
    async def main() -> None:
        cycle, link = streaming()
        before = link.written
        writing = asyncio.create_task(cycle.write(b"x"))
        clock().move(6.0)
        await settle()
        assert (link.written, writing.done(), cycle.write_paused) == (before, False, True)
        link.taken()
        await writing
        assert link.written == before + b"1\r\nx\r\n"

    run(main())


def test_a_client_that_reads_nothing_for_the_idle_timeout_is_cut() -> None:
    async def main() -> None:
        cycle, link = streaming()
        since = clock().now()
        with pytest.raises(ClientGone, match="does not read"):
            await cycle.write(b"x")
        assert clock().now() - since == pytest.approx(7.0)
        assert (link.ended, cycle.disconnected, link.completed) == ("aborted", True, [])
        with pytest.raises(ClientGone):
            await cycle.write(b"y")

    run(main())


def test_a_client_that_disconnects_while_it_does_not_read_ends_the_write() -> None:
    async def main() -> None:
        cycle, link = streaming()
        writing = asyncio.create_task(cycle.write(b"x"))
        await settle()
        cycle.disconnect()
        link.taken()  # as a connection does that is lost
        with pytest.raises(ClientGone):
            await writing

    run(main())
