"""A pool that connects to nothing, and what a test does with it."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from talaria.adapters.http1.connect import Endpoint
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.pool import Limits, Pool
from talaria.adapters.http1.resolver import Address
from tests.unit.adapters.http1.support_http1 import FakeTransport

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
ENDPOINT = Endpoint.of("http://upstream")


class Connector:
    """Connects to nothing. `failing` is what the next one raises; they wait while `gate` is not set."""

    def __init__(self) -> None:
        self.opened = 0
        self.failing: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, endpoint: Endpoint, protocol: Callable[[], Connection], /) -> Connection:
        self.opened += 1
        await self.gate.wait()
        failing, self.failing = self.failing, None
        if failing is not None:
            raise failing
        connection = protocol()
        connection.connection_made(FakeTransport())
        return connection


class PoolHarness:
    """A pool of two connections at most, with a queue of three."""

    def __init__(self, idle_seconds: float = 30.0, max_age: float = 300.0) -> None:
        self.connector = Connector()
        limits = Limits(0.05, max_connections=2, max_waiting=3, idle_seconds=idle_seconds, max_age=max_age)
        self.pool = Pool(ENDPOINT, limits, self.connector)

    async def get(self, *, new: bool = False, patience: float = 5.0) -> Connection:
        return await self.pool.get(asyncio.get_running_loop().time() + patience, new=new)

    def take(self) -> Connection | None:
        return self.pool.take(asyncio.get_running_loop().time())

    async def moved_to(self, address: tuple[str, int] | None) -> None:
        """The endpoint's name has this address now, or none; and the pool follows it."""

        def look_up(host: str, port: int) -> Sequence[Address]:
            if address is None:
                raise socket.gaierror
            return [(socket.AF_INET, address)]

        ENDPOINT.resolver.look_up = look_up
        await self.pool.follow_name()

    def asking(self, *, new: bool = False) -> "asyncio.Task[Connection]":
        return asyncio.create_task(self.get(new=new))

    def answer(self, connection: Connection) -> None:
        """One request comes and goes."""
        connection.begin(b"x", False, connection.loop.time() + 60, 60.0)
        self.pool._batcher.flush()
        connection.get_buffer(-1)[: len(HELLO)] = HELLO
        connection.buffer_updated(len(HELLO))

    def counts(self) -> tuple[int, int]:
        return self.pool.in_flight, self.pool.idle
