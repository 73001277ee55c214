"""Control connections: how the processes of one gateway talk through their supervisor."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from talaria.entrypoints.ops.control import (
    BACKLOG_LIMIT,
    ELDEST,
    SIBLINGS,
    SUPERVISOR,
    ControlConnection,
    FrameReader,
    Handler,
    frame,
    notice,
    read_heartbeat,
)
from talaria.entrypoints.runtime.control_hub import ControlHub

OPS = 2


class Processes:
    """Three ends of connections in one event loop, workers 0 and 1 and the operators' 2; the hub runs in a thread."""

    def __init__(self) -> None:
        self.heartbeats: list[tuple[int, float]] = []
        self.hub = ControlHub(frozenset({0, 1}), self._on_heartbeat)
        self.ends: list[ControlConnection] = []
        self.closed = asyncio.Event()
        self._wake, wakes = socket.socketpair()
        self._calls: list[Callable[[], Any]] = []
        self._over = False
        self._wakes = wakes
        self.hub.watch(wakes.fileno(), self._woken)
        self._thread = threading.Thread(target=self._run)

    def _on_heartbeat(self, number: int, payload: bytes) -> None:
        self.heartbeats.append((number, read_heartbeat(payload)))

    def _woken(self) -> None:
        self._wakes.recv(100)
        while self._calls:
            self._calls.pop()()

    def _run(self) -> None:
        while not self._over:
            self.hub.poll(5.0)

    async def start(self) -> None:
        sockets = [self.hub.connect(number) for number in range(3)]
        self.handlers: list[dict[str, Handler]] = [{}, {}, {}]
        pairs = zip(sockets, self.handlers, strict=True)
        self.ends = [await ControlConnection.open(end, handlers, self.closed.set) for end, handlers in pairs]
        self._thread.start()

    async def stop(self) -> None:
        self._over = True
        self._wake.send(b"x")
        await asyncio.to_thread(self._thread.join)
        for end in self.ends:
            if end._transport is not None:
                end._transport.abort()  # one may have more to write than is read
        await asyncio.sleep(0)  # a transport closes its socket in the next round
        self.hub.close()
        self._wake.close()
        self._wakes.close()

    def in_the_supervisor(self, call: Callable[[], Any]) -> None:
        """Have the hub's thread call it once."""
        self._calls.append(call)
        self._wake.send(b"x")


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    running = Processes()
    await running.start()
    yield running
    await running.stop()


async def test_a_request_is_answered_by_the_process_that_it_names(processes: Processes) -> None:
    async def later(word: str) -> list[str]:
        await asyncio.sleep(0)
        return [word, "one"]

    processes.handlers[0]["say"] = lambda word: [word, "zero"]
    processes.handlers[1]["say"] = later
    async with asyncio.timeout(5):
        answers = await asyncio.gather(
            *(processes.ends[OPS].request(number, list[str], "say", "x") for number in (0, 1, 0))
        )
    assert answers == [["x", "zero"], ["x", "one"], ["x", "zero"]]


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_a_payload_of_any_size_comes_whole(processes: Processes, size: int) -> None:
    processes.handlers[0]["echo"] = lambda data: data
    async with asyncio.timeout(20):
        assert await processes.ends[OPS].request(0, bytes, "echo", b"x" * size) == b"x" * size


async def test_what_is_told_to_the_siblings_reaches_the_other_workers_alone(processes: Processes) -> None:
    told: list[tuple[int, int]] = []
    all_told = asyncio.Event()

    def take(receiver: int) -> Callable[[int], None]:
        def handler(number: int) -> None:
            told.append((receiver, number))
            if number == 99:
                all_told.set()

        return handler

    for receiver, handlers in enumerate(processes.handlers):
        handlers["tell"] = take(receiver)
    for number in range(100):
        processes.ends[0].notify(SIBLINGS, "tell", number)
    await asyncio.wait_for(all_told.wait(), 5)
    assert told == [(1, number) for number in range(100)]


async def test_the_eldest_of_the_other_workers_is_asked(processes: Processes) -> None:
    for number in (0, 1, OPS):
        processes.handlers[number]["name"] = lambda number=number: number
    async with asyncio.timeout(5):
        assert await processes.ends[0].request(ELDEST, int, "name") == 1
        assert await processes.ends[1].request(ELDEST, int, "name") == 0
        assert await processes.ends[OPS].request(ELDEST, int, "name") == 0


async def test_a_heartbeat_is_the_supervisors(processes: Processes) -> None:
    processes.ends[1].start_beating(lambda: 2.5)
    async with asyncio.timeout(5):
        while len(processes.heartbeats) < 2:
            await asyncio.sleep(0.01)
    assert processes.heartbeats == [(1, 2.5)] * 2


async def test_a_request_that_fails_is_logged_without_what_it_was_about(
    processes: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    processes.handlers[0]["fail"] = lambda person: {}[person]
    processes.handlers[0]["fine"] = lambda: True
    processes.ends[OPS].notify(0, "fail", "ppid-canary")
    processes.ends[OPS].notify(0, "not there", "ppid-canary")
    async with asyncio.timeout(5):
        assert await processes.ends[OPS].request(0, bool, "fine")
    assert [vars(record)["method"] for record in caplog.records] == ["fail", "not there"]
    assert not any("canary" in record.getMessage() for record in caplog.records)


async def test_a_reply_that_is_not_waited_for_any_more_is_no_error(
    processes: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def slow() -> bool:
        asked.set()
        await left.wait()
        return True

    processes.handlers[0] |= {"slow": slow, "fine": lambda: True}
    asking = asyncio.create_task(processes.ends[OPS].request(0, bool, "slow"))
    await asyncio.wait_for(asked.wait(), 5)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    with caplog.at_level(logging.ERROR):
        left.set()
        async with asyncio.timeout(5):
            assert await processes.ends[OPS].request(0, bool, "fine")
    assert caplog.messages == []


async def test_a_process_that_reads_nothing_holds_up_no_other(processes: Processes) -> None:
    transport = processes.ends[0]._transport
    assert isinstance(transport, asyncio.ReadTransport)
    transport.pause_reading()
    processes.handlers[1]["echo"] = lambda data: len(data)
    piece = os.urandom(1024 * 1024)
    async with asyncio.timeout(30):
        for _ in range(BACKLOG_LIMIT // len(piece) + 8):
            processes.ends[OPS].notify(0, "ignored", piece)
            assert await processes.ends[OPS].request(1, int, "echo", b"x") == 1


async def test_the_end_of_the_supervisor_is_noticed(processes: Processes) -> None:
    processes.in_the_supervisor(lambda: processes.hub.disconnect(1))
    await asyncio.wait_for(processes.closed.wait(), 5)


async def test_a_successor_gets_nothing_of_what_was_meant_for_its_predecessor(processes: Processes) -> None:
    """A frame that was sent in part would spoil the stream of the next one."""
    halves: list[socket.socket] = []

    def replace() -> None:
        halves.append(processes.hub.connect(1))
        processes.hub.send(1, SUPERVISOR, notice("hello"))

    processes.ends[1].send(OPS, b"")
    processes.in_the_supervisor(replace)
    async with asyncio.timeout(5):
        while not halves:
            await asyncio.sleep(0.01)
    said = asyncio.Event()
    successor = await ControlConnection.open(halves[0], {"hello": said.set}, lambda: None)
    await asyncio.wait_for(said.wait(), 5)
    successor.close()


def test_a_frame_in_pieces() -> None:
    reader = FrameReader()
    stream = frame(3, b"one") + frame(-1, b"") + frame(0, b"three")
    frames = [found for byte in stream for found in reader.feed(bytes([byte]))]
    assert frames == [(3, b"one"), (-1, b""), (0, b"three")]
    assert reader.feed(stream) == frames
