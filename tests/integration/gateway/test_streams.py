"""Streams: an event reaches the client when it is sent, and 200 MB each way take next to no memory."""

import asyncio
import zlib

from tests.integration.gateway.support_client import chunked, request
from tests.integration.gateway.support_gateway import Gateway, Process, Town, process_of
from tests.integration.gateway.support_raw import Head, Line, read_chunk

MB = 1_000_000
PIECE = bytes(range(250)) * 400
"""100 kB."""
LARGE = 2_000
"""Pieces: 200 MB."""
GROWS = 32 * MB
STREAMS = {"server": {"body_limit": "0"}, "routes": {"wind": {"timeout": "100s"}}}


async def test_events_arrive_one_by_one(gateway: Gateway, town: Town) -> None:
    """The next one is sent when the client has the one before: a gateway that waits for more waits for ever."""
    had = asyncio.Semaphore(0)
    events = [b": a comment\n", b"event: ride\n", b"data: 1\n", b"\n", b"data: 2\n\n"]

    async def send(head: Head, line: Line) -> None:
        assert head.one("accept") == "text/event-stream"
        await line.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in events:
            await line.send(chunked(event))
            await had.acquire()
        await line.send(chunked(b""))

    town.upstream.fault = send
    async with gateway.connected() as client:
        client.send(request(town.token(), "/events", "accept: text/event-stream"))
        got = await client.head()
        assert (got.head.one("content-type"), got.head.all("content-length")) == ("text/event-stream", [])
        for event in events:
            assert await asyncio.wait_for(read_chunk(client.reader), 10) == event
            had.release()
        assert await asyncio.wait_for(read_chunk(client.reader), 10) == b""


class Weight:
    """How much memory a gateway took at most, beyond what it had before."""

    def __init__(self, gateway: Process) -> None:
        self._gateway = gateway
        self._before = gateway.resident
        self.grown = 0

    def look(self) -> None:
        """Once in a while."""
        self.grown = max(self.grown, self._gateway.resident - self._before)


class Swallowed:
    """An upstream that keeps only the length and the checksum of a body, and answers with a body as long."""

    def __init__(self) -> None:
        self.length, self.checksum = 0, 0

    async def serve(self, head: Head, line: Line) -> None:
        """One request with its length."""
        self.length, self.checksum = 0, 0
        length = int(head.one("content-length"))
        while self.length < length:
            self.checksum = zlib.crc32(piece := await line.reader.read(2**18), self.checksum)
            self.length += len(piece)
        await line.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length)
        for _ in range(length // len(PIECE)):
            await line.send(PIECE)


def checksum_of(pieces: int) -> int:
    """What the checksum of so many pieces must be."""
    checksum = 0
    for _ in range(pieces):
        checksum = zlib.crc32(PIECE, checksum)
    return checksum


async def up_and_down(gateway: Process, pieces: int) -> tuple[int, int, int]:
    """Length and checksum of what came back, and how much the gateway grew."""
    weight = Weight(gateway)
    token = gateway.town.token()
    async with gateway.connected() as client:
        client.send(request(token, "/", f"content-length: {pieces * len(PIECE)}", method="POST"))
        for number in range(pieces):
            client.send(PIECE)
            await client.writer.drain()
            if number % 100 == 0:
                weight.look()
        length, checksum = 0, 0
        assert (await client.head()).status == 200
        while length < pieces * len(PIECE):
            checksum = zlib.crc32(piece := await client.reader.read(2**18), checksum)
            assert piece
            length += len(piece)
            weight.look()
    return length, checksum, weight.grown


async def test_200_mb_each_way_in_32_mb(town: Town) -> None:
    swallowed = Swallowed()
    town.upstream.fault = swallowed.serve
    async with process_of(town, town.configure(STREAMS)) as gateway:
        await up_and_down(gateway, LARGE // 20)
        length, checksum, grown = await up_and_down(gateway, LARGE)
    assert (length, checksum) == (200 * MB, checksum_of(LARGE))
    assert (swallowed.length, swallowed.checksum) == (length, checksum)
    assert grown < GROWS
