"""The requests of one connection: how many are queued, when the next one starts, and which are told of an end."""

import asyncio

import pytest

from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.pipeline import MAX_QUEUED
from tests.unit.entrypoints.public.server.support_server import Harness, get, post, settled
from tests.unit.entrypoints.public.support_cycle import arrived

CLOSE = (b"connection", b"close")


def many(count: int) -> bytes:
    """So many requests, as one piece; each asks for its number."""
    return b"".join(get(f"/{number}") for number in range(count))


def numbers(count: int) -> list[bytes]:
    """What they ask for."""
    return [b"/%d" % number for number in range(count)]


async def test_one_after_the_other_in_the_order_of_their_coming() -> None:
    harness = Harness()
    await harness.feed(many(3))
    for number in range(3):
        assert harness.targets == numbers(number + 1)
        assert not harness.transport.reading
        await harness.answer(b"<%d>" % number)
    assert harness.transport.reading
    written = harness.transport.written
    assert written.index(b"<0>") < written.index(b"<1>") < written.index(b"<2>")


@pytest.mark.parametrize("behind", [b"", b"\x00nonsense\r\n\r\n", get("/", *["x: " + "a" * 900] * 2)])
async def test_so_many_are_queued_and_the_last_of_them_ends_the_connection(behind: bytes) -> None:
    harness = Harness()
    await harness.feed(many(MAX_QUEUED + 5) + behind)
    for number in range(MAX_QUEUED + 1):
        assert not harness.transport.finished
        await harness.answer(b"<%d>" % number)
    assert harness.targets == numbers(MAX_QUEUED + 1)
    written = harness.transport.written
    assert [written.count(b"<%d>" % number) for number in range(MAX_QUEUED + 5)] == [1] * (MAX_QUEUED + 1) + [0] * 4
    assert written.count(b"connection: close\r\n") == 1
    assert (harness.transport.finished, harness.refused) == (True, [])


async def test_no_request_starts_while_the_client_takes_nothing() -> None:
    harness = Harness()
    await harness.feed(many(3))
    await harness.stuck()
    await harness.answer()
    assert (harness.targets, harness.transport.reading) == (numbers(1), False)
    assert not harness.connection.is_idle
    await harness.taken()
    assert (harness.targets, harness.transport.reading) == (numbers(2), False)
    await harness.answer()
    await harness.answer()
    assert (harness.targets, harness.transport.reading) == (numbers(3), True)


async def test_a_request_that_comes_while_the_client_takes_nothing_waits() -> None:
    harness = Harness()
    await harness.stuck()
    await harness.feed(get("/0"))
    assert (harness.targets, harness.transport.reading) == ([], False)
    await harness.taken()
    assert harness.targets == numbers(1)


async def test_nothing_is_read_while_the_client_takes_nothing() -> None:
    harness = Harness()
    await harness.feed(get("/0"))
    await harness.stuck()
    await harness.answer()
    assert not harness.transport.reading
    await harness.taken()
    assert harness.transport.reading


async def test_a_client_that_reads_again_hurries_no_request() -> None:
    harness = Harness()
    await harness.feed(many(2))
    await harness.stuck()
    await harness.taken()
    assert (harness.targets, harness.transport.reading) == (numbers(1), False)


async def test_what_fills_up_and_empties_after_the_last_answer_begins_nothing() -> None:
    harness = Harness()
    await harness.feed(many(3))
    await harness.stuck()
    await harness.answer(b"", CLOSE)
    await harness.taken()
    assert (harness.targets, harness.connection.is_idle) == (numbers(1), True)


async def test_nothing_begins_behind_the_last_answer() -> None:
    """Over TLS bytes are handed over that come after the close."""
    harness = Harness()
    await harness.feed(get("/0"))
    await harness.answer(b"", CLOSE)
    assert harness.transport.ended == "closed"
    harness.connection.data_received(many(1))
    await settled()
    assert harness.targets == numbers(1)


async def test_an_answer_that_ends_the_connection_waits_for_what_was_not_read() -> None:
    """Else the client's unread bytes would make a reset of it, and the answer could be lost."""
    harness = Harness()
    await harness.feed(many(2))
    await harness.answer(b"", CLOSE)
    assert (harness.transport.finished, harness.transport.ended, harness.transport.reading) == (True, "", True)
    harness.enforce_timeouts(3)
    assert harness.transport.ended == "aborted"


class Waiting:
    """An app that waits, and notes which requests are cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[bytes] = []

    async def __call__(self, cycle: RequestResponseCycle) -> None:
        """One request."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(cycle.target)


@pytest.mark.parametrize("ends", [["eof", "lost"], ["lost"]])
async def test_a_disconnect_is_told_once_to_the_active_and_the_queued_requests(ends: list[str]) -> None:
    app = Waiting()
    harness = Harness(hold=app)
    await harness.feed(many(3))
    served, queued = harness.began[0], list(harness.connection.pipeline.queued)
    told: list[bytes] = []
    for cycle in queued:
        cycle.on_disconnect = lambda target=cycle.target: told.append(target)
    if "eof" in ends:
        harness.connection.eof_received()
    harness.connection.connection_lost(None)
    await settled()
    assert (app.cancelled, told) == (numbers(1), numbers(3)[1:])
    assert all(cycle.disconnected for cycle in [served, *queued])
    assert (harness.targets, harness.state.tasks) == (numbers(1), set())


async def test_the_active_request_hears_of_it_though_others_came_behind() -> None:
    app = Waiting()
    harness = Harness(hold=app)
    await harness.feed(get("/first") + many(2))
    harness.connection.connection_lost(ConnectionResetError())
    await settled()
    assert app.cancelled == [b"/first"]


async def test_a_queued_request_of_a_lost_connection_never_begins() -> None:
    harness = Harness()
    await harness.feed(many(2))
    await harness.stuck()
    await harness.answer()
    harness.connection.connection_lost(None)
    harness.connection.resume_writing()
    await settled()
    assert (harness.targets, harness.connection.is_idle, harness.transport.reading) == (numbers(1), True, False)


async def test_a_drain_ends_the_connection_with_the_next_answer_that_begins() -> None:
    harness = Harness()
    await harness.feed(many(3))
    harness.began[0].begin(200, [(b"content-length", b"2")])
    harness.connection.begin_drain()
    await harness.began[0].write(b"ok")
    await settled()
    assert (harness.targets, harness.transport.finished) == (numbers(2), False)
    await harness.answer()
    assert (harness.targets, harness.transport.finished) == (numbers(2), True)
    assert harness.connection.is_idle
    assert harness.transport.written.endswith(b"connection: close\r\n\r\n")


async def test_a_queued_body_is_read_in_its_turn() -> None:
    harness = Harness()
    await harness.feed(get("/0") + post("/1", b"hello")[:-2])
    await harness.answer()
    cycle = harness.began[1]
    assert await cycle.receive() == (b"hel", True)
    rest = asyncio.create_task(cycle.receive())
    await settled()
    await harness.feed(b"lo")
    assert await rest == (b"lo", False)


@pytest.mark.parametrize("sizes", [(), (5,), (2, 3)])
async def test_a_streamed_answer_is_complete_with_the_last_byte_of_its_length(sizes: tuple[int, ...]) -> None:
    harness = Harness()
    await harness.feed(many(2))
    cycle, left = harness.began[0], []
    cycle.on_disconnect = lambda: left.append(cycle)
    cycle.begin(200, [(b"content-length", b"%d" % sum(sizes))])
    for size in sizes:
        assert not cycle.response_complete
        await cycle.write(b"x" * size)
    await settled()
    assert (cycle.response_complete, harness.targets) == (True, numbers(2))
    harness.connection.eof_received()
    cycle.finish()
    cycle.abort()  # as where its source fails after the last byte
    assert (left, cycle.disconnected, harness.transport.ended) == ([], False, "")


async def test_no_byte_behind_its_length_is_written() -> None:
    harness = Harness()
    await harness.feed(many(1))
    harness.began[0].begin(200, [(b"content-length", b"1")])
    await harness.began[0].write(b"x")
    await harness.began[0].write(b"HTTP/1.1 200 OK")
    assert harness.transport.written.endswith(b"\r\n\r\nx")


async def test_a_full_pipeline_takes_no_request() -> None:
    harness = Harness()
    await harness.feed(many(MAX_QUEUED + 1))
    pipeline = harness.connection.pipeline
    assert not pipeline.add(arrived()[0])
    assert [cycle.keep_alive for cycle in pipeline.queued] == [True] * (MAX_QUEUED - 1) + [False]


async def test_a_closed_pipeline_takes_no_request() -> None:
    harness = Harness()
    pipeline = harness.connection.pipeline
    cycle, _ = arrived()
    pipeline.close()
    assert not pipeline.add(cycle)
    assert (pipeline.idle, harness.began) == (True, [])
