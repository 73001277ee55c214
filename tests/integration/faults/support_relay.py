"""A TCP relay between the gateway and one dependency that fails when it is told to.

Toxics may change at any time; they act on connections that are open already, too. What `timeout` has swallowed stays
swallowed: recovery takes a new connection.
"""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from talaria.entrypoints.config import Address
from talaria.entrypoints.public.server.sockets import bind, url_of
from tests.integration.faults.support_toxics import Direction, Toxic

_RESET = struct.pack("ii", 1, 0)
_TICK = 0.02


class _Cut(Exception):
    """This connection is closed now."""


class _Reset(Exception):
    """This connection is reset now."""


class Relay:
    """Passes bytes on to `target`, which is set before the first connection comes.

    `connections` counts those that were accepted, `open` those that are there now, `swallowed` the pieces that went
    into a timeout. It accepts by itself, for every socket has an owner from its first moment on: asyncio hands what it
    has accepted to a task, and one that is cancelled before it begins leaves its socket open.
    """

    def __init__(self, seed: int = 1) -> None:
        self.url = ""
        self.target = ""
        self.connections = 0
        self.swallowed = 0
        self._toxics: dict[Direction, Toxic | None] = {"request": None, "answer": None}
        self._chance = random.Random(seed)
        self._well = asyncio.Event()
        self._pairs: set[asyncio.Task[None]] = set()
        self._answered: set[asyncio.Task[None]] = set()
        self._kept: set[asyncio.Task[None]] = set()
        self._politely: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._port = 0

    @property
    def open(self) -> int:
        """Connections of this moment."""
        return len(self._pairs)

    def listen(self) -> None:
        """Take connections, on the port of the last time if there was one."""
        self._listener = bind(Address("127.0.0.1", self._port), "a relay")
        self._port = self._listener.getsockname()[1]
        self.url = url_of(self._listener)
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    async def poison(self, direction: Direction, toxic: Toxic) -> None:
        """From now on this happens in that direction."""
        self._toxics[direction] = toxic
        self._well.clear()
        if toxic.kind == "down":
            if direction == "request":
                self._deafen()
            await self.drop()

    async def heal(self) -> None:
        """From now on bytes pass as they come."""
        self._toxics = {"request": None, "answer": None}
        self._well.set()
        if self._listener is None:
            self.listen()

    async def drop(self) -> None:
        """Reset every connection of this moment."""
        pairs = list(self._pairs)
        for pair in pairs:
            pair.cancel()
        await asyncio.gather(*pairs, return_exceptions=True)

    async def drop_one(self, chance: random.Random, *, politely: bool, kept: bool) -> None:
        """Reset one connection of this moment, or close it. `kept`: one over which a second request came already."""
        pairs = sorted(self._kept if kept else self._pairs, key=lambda pair: pair.get_name())
        if pairs:
            pair = chance.choice(pairs)
            if politely:
                self._politely.add(pair)
            pair.cancel()
            await asyncio.gather(pair, return_exceptions=True)
            self._politely.discard(pair)

    async def close(self) -> None:
        """The end."""
        self._deafen()
        await self.drop()

    def _deafen(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            near, _ = listener.accept()
        except OSError:  # gone again
            return
        self.connections += 1
        toxic = self._toxics["answer"]
        if toxic is not None and toxic.kind == "down":
            near.close()
            return
        near.setblocking(False)
        pair = asyncio.create_task(self._pair(near))
        self._pairs.add(pair)
        for tasks in (self._pairs, self._answered, self._kept):
            pair.add_done_callback(tasks.discard)
        pair.add_done_callback(lambda _: near.close())  # where it was cancelled before a transport had it

    async def _pair(self, near: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=near)
        parts = urlsplit(self.target)
        try:
            far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            _reset(writer)
            return
        except asyncio.CancelledError:
            _reset(writer)
            raise
        pair = asyncio.current_task()
        assert pair is not None
        ways = (
            asyncio.create_task(self._way("request", pair, reader, far_writer)),
            asyncio.create_task(self._way("answer", pair, far_reader, writer)),
        )
        try:
            await asyncio.gather(*ways)
        except (_Cut, ConnectionError):
            writer.close()
        except (_Reset, asyncio.CancelledError):
            if pair not in self._politely:
                _reset(writer)
                _reset(far_writer)
        finally:
            writer.close()
            far_writer.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _way(
        self,
        direction: Direction,
        pair: "asyncio.Task[None]",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        known, passed = self._toxics[direction], 0
        while data := await reader.read(65536):
            if direction == "answer":
                self._answered.add(pair)
            elif pair in self._answered:
                self._kept.add(pair)
            toxic = self._toxics[direction]
            if toxic is not known:
                known, passed = toxic, 0
            await self._pass(toxic, data, passed, writer)
            passed += len(data)
        toxic = self._toxics[direction]
        if toxic is not None and toxic.kind == "slow-close":
            await asyncio.sleep(toxic.seconds)  # that is the toxic
        with suppress(OSError):
            writer.write_eof()

    async def _pass(self, toxic: Toxic | None, data: bytes, passed: int, writer: asyncio.StreamWriter) -> None:
        match toxic:
            case Toxic("timeout"):
                self.swallowed += 1
                return
            case Toxic("hold"):
                await self._well.wait()
                writer.write(data)
            case Toxic("reset"):
                raise _Reset
            case Toxic("cut", size=size):
                writer.write(data[: max(0, size - passed)])
                if passed + len(data) >= size:
                    raise _Cut
                return
            case Toxic("bandwidth", size=size):
                await self._slice(data, max(1, int(size * _TICK)), _TICK, writer)
            case Toxic("slicer", size=size, seconds=seconds):
                await self._slice(data, size, seconds, writer)
            case _:
                await self._delay(toxic)
                writer.write(data)
        await writer.drain()

    async def _delay(self, toxic: Toxic | None) -> None:
        if toxic is not None and toxic.kind == "latency":
            await asyncio.sleep(toxic.seconds)  # that is the toxic
        elif toxic is not None and toxic.kind == "jitter":
            await asyncio.sleep(self._chance.uniform(0.0, toxic.seconds))

    async def _slice(self, data: bytes, size: int, seconds: float, writer: asyncio.StreamWriter) -> None:
        for begin in range(0, len(data), size):
            writer.write(data[begin : begin + size])
            await writer.drain()
            await asyncio.sleep(seconds)  # that is the toxic


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: what was written and not yet read is lost to the other side."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@asynccontextmanager
async def relay(seed: int = 1) -> AsyncIterator[Relay]:
    """A listening relay, gone at the end."""
    running = Relay(seed)
    running.listen()
    try:
        yield running
    finally:
        await running.close()
