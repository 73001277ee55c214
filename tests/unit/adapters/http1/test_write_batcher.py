"""Writes of one turn go out together, in their order, and none of them hurts another."""

import asyncio

from talaria.adapters.http1.write_batcher import WriteBatcher


class Sink:
    """Notes what is written to it, in a list that several share."""

    def __init__(self, name: str, noted: list[tuple[str, bytes]]) -> None:
        self.name = name
        self.broken = False
        self._noted = noted

    def write(self, data: bytes) -> None:
        """As a transport does."""
        if self.broken:
            raise RuntimeError("Cannot call write() after write_eof()")
        self._noted.append((self.name, data))


async def test_writes_wait_for_the_end_of_the_turn_and_keep_their_order() -> None:
    noted: list[tuple[str, bytes]] = []
    loop, outbox = asyncio.get_running_loop(), WriteBatcher()
    first, second = Sink("first", noted), Sink("second", noted)
    outbox.write(loop, first.write, b"1")
    outbox.write(loop, second.write, b"2")
    outbox.write(loop, first.write, b"3")
    assert noted == []
    await asyncio.sleep(0)
    assert noted == [("first", b"1"), ("second", b"2"), ("first", b"3")]


async def test_a_later_turn_writes_again() -> None:
    noted: list[tuple[str, bytes]] = []
    loop, outbox, sink = asyncio.get_running_loop(), WriteBatcher(), Sink("a", noted)
    for data in (b"1", b"2"):
        outbox.write(loop, sink.write, data)
        await asyncio.sleep(0)
    assert noted == [("a", b"1"), ("a", b"2")]


async def test_one_that_can_not_be_written_to_costs_the_others_nothing() -> None:
    noted: list[tuple[str, bytes]] = []
    loop, outbox = asyncio.get_running_loop(), WriteBatcher()
    broken, good = Sink("broken", noted), Sink("good", noted)
    outbox.write(loop, broken.write, b"1")
    outbox.write(loop, good.write, b"2")
    broken.broken = True
    await asyncio.sleep(0)
    assert noted == [("good", b"2")]


async def test_a_flush_writes_at_once_and_only_once() -> None:
    noted: list[tuple[str, bytes]] = []
    outbox, sink = WriteBatcher(), Sink("a", noted)
    outbox.write(asyncio.get_running_loop(), sink.write, b"1")
    outbox.flush()
    assert noted == [("a", b"1")]
    await asyncio.sleep(0)
    assert noted == [("a", b"1")]
