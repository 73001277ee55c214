"""The stream of a body: what it holds, when it stops its source, how it ends."""

import asyncio

import pytest

from talaria.adapters.http1.errors import ConnectionClosed
from talaria.adapters.http1.response_body import HIGH_WATER, LOW_WATER, BufferedBody, StreamingBody


class Source:
    """Notes what a body asks of its connection."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.error: BaseException | None = None

    def touch(self) -> None:
        self.calls.append("touch")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def fail(self, error: BaseException) -> None:
        self.error = error


async def test_what_is_complete_is_given_once() -> None:
    body = BufferedBody(b"all of it")
    assert [chunk async for chunk in body] == [b"all of it"]
    assert [chunk async for chunk in body] == []
    assert [chunk async for chunk in BufferedBody(b"")] == []
    left = BufferedBody(b"all of it")
    await left.aclose()
    assert [chunk async for chunk in left] == []


async def test_a_reader_that_reads_begins_the_idle_timeout_anew() -> None:
    source = Source()
    body = StreamingBody(source)
    body.feed(b"a")
    assert source.calls == []
    assert await anext(body) == b"a"
    assert source.calls == ["touch"]


async def test_reading_stops_past_the_high_water_mark_and_goes_on_at_the_low_one_and_not_before() -> None:
    source = Source()
    body = StreamingBody(source)
    body.feed(b"x" * (HIGH_WATER - LOW_WATER))
    body.feed(b"y" * LOW_WATER)
    assert source.calls == []
    body.feed(b"z")
    assert source.calls == ["pause"]
    body.feed(b"z")
    assert source.calls == ["pause"], "once"
    await anext(body)
    assert source.calls == ["pause", "touch"], "one byte above the mark"
    await anext(body)
    assert source.calls == ["pause", "touch", "touch", "resume"]


async def test_a_body_that_ends_gives_a_paused_source_back_reading() -> None:
    source = Source()
    body = StreamingBody(source)
    body.feed(b"x" * (HIGH_WATER + 1))
    body.end()
    assert source.calls == ["pause", "resume"]
    assert len(b"".join([chunk async for chunk in body])) == HIGH_WATER + 1
    assert source.calls == ["pause", "resume"], "the connection is not the reader's any more"


async def test_an_error_comes_after_what_was_good() -> None:
    body = StreamingBody(Source())
    body.feed(b"a")
    body.end(ConnectionClosed("cause"))
    assert await anext(body) == b"a"
    for _ in range(2):
        with pytest.raises(ConnectionClosed):
            await anext(body)


@pytest.mark.parametrize("waiting", [False, True])
async def test_to_give_a_body_up_fails_its_source_once(waiting: bool) -> None:
    source = Source()
    body = StreamingBody(source)
    if waiting:
        reading = asyncio.ensure_future(anext(body))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
    else:
        await body.aclose()
    assert isinstance(source.error, asyncio.CancelledError)
    source.error = None
    await body.aclose()
    assert source.error is None
    assert [chunk async for chunk in body] == []


async def test_what_arrived_can_be_taken_in_one_piece() -> None:
    body = StreamingBody(Source())
    body.feed(b"a")
    body.feed(b"b")
    assert body.take_all() == b"ab"
    body.end()
    assert [chunk async for chunk in body] == []
