"""The connections to one endpoint: kept, limited, waited for.

A connection belongs to a request, or to `_idle`, or it is closed and forgotten. A slot is a connection, or one that is
being made (`_reserved`); there are never more than `max_connections`. A request that finds neither waits, first in
first out: a connection that comes back, or a slot that falls free, goes straight to the oldest waiter. Hence while any
request waits, no connection is idle.
"""

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from talaria.adapters.http1.connect import Endpoint, connect
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.errors import ConnectError, ConnectionClosed, ConnectTimeout, PoolExhausted
from talaria.adapters.http1.timer import NEVER, MovableDeadline
from talaria.adapters.http1.write_batcher import WriteBatcher

_READ_AT_MOST = 64 * 1024
_CLOSED = "this gateway has closed its connections"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one pool. `max_waiting` is the longest queue. An idle connection is closed within `idle_seconds`.

    A connection is not used again past `max_age` seconds, less up to 10 % at random.
    """

    connect_timeout: float = 1.0
    max_connections: int = 256
    max_waiting: int = 1024
    idle_seconds: float = 30.0
    max_age: float = 300.0


class PoolState(NamedTuple):
    """How many connections are in use (or being made), how many are idle, and how many requests wait for one.

    `certificate_end`: until when the certificate is good that was shown last, in seconds since the epoch; else 0.0.
    """

    in_use: int = 0
    idle: int = 0
    waiting: int = 0
    certificate_end: float = 0.0


class Connect(Protocol):
    """How an endpoint is connected to."""

    def __call__(self, endpoint: Endpoint, protocol: Callable[[], Connection], /) -> Awaitable[Connection]:
        """Raises ConnectError, PoolExhausted or TimeoutError."""


class _Waiter(NamedTuple):
    """A request in the queue, until `deadline` by the loop's clock. It is handed a connection, or None for a slot."""

    handed: "asyncio.Future[Connection | None]"
    deadline: float


class Pool:
    """Lives on the loop that it is first used on. `now()` is that loop's clock."""

    def __init__(self, endpoint: Endpoint, limits: Limits, connect: Connect = connect) -> None:
        self._endpoint = endpoint
        self._connect = connect
        self._limits = limits
        self._idle: list[Connection] = []
        self._members: set[Connection] = set()
        self._waiters: deque[_Waiter] = deque()
        self._queue_deadline: MovableDeadline | None = None
        self._buffer = memoryview(bytearray(_READ_AT_MOST))
        self._batcher = WriteBatcher()
        self._reserved = 0
        self._closed = False
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._certificate_end = ""
        self.now: Callable[[], float] = self._first_now

    @property
    def in_flight(self) -> int:
        """Requests that have a connection, are getting one, or wait for one."""
        return len(self._members) - len(self._idle) + self._reserved + len(self._waiters)

    @property
    def idle(self) -> int:
        """Connections that are kept and not in use."""
        return len(self._idle)

    def state(self) -> PoolState:
        """How it is now."""
        in_use, end = len(self._members) - len(self._idle) + self._reserved, self._certificate_end
        end_seconds = ssl.cert_time_to_seconds(end) if end else 0.0
        return PoolState(in_use, len(self._idle), len(self._waiters), end_seconds)

    def take(self, now: float) -> Connection | None:
        """The connection that came back last, if one is idle and young enough at `now`."""
        while self._idle:
            connection = self._idle.pop()
            if connection.expires_at > now:
                return connection
            connection.close()
        return None

    async def get(self, deadline: float, *, new: bool = False, connect_timeout: float | None = None) -> Connection:
        """A connection: an idle one, or else a new one, or else one's turn in the queue.

        `new`: never one that was used before. `deadline` is by the loop's clock; `connect_timeout` in seconds, else
        that of the limits. Raises PoolExhausted where the queue is full, the turn does not come in time or this
        machine has no socket left, ConnectError, ConnectTimeout.
        """
        while not self._closed:
            if not new and (idle := self.take(self.now())) is not None:
                return idle
            if new and self._idle and self._full():
                self._idle[0].close()
            if not self._full():
                self._reserved += 1
                return await self._open(deadline, connect_timeout)
            handed = await self._wait(deadline)
            if handed is None:
                return await self._open(deadline, connect_timeout)
            if handed.closed:
                continue
            if not new:
                return handed
            self._members.discard(handed)
            self._reserved += 1
            handed.close()
            return await self._open(deadline, connect_timeout)
        raise ConnectError(_CLOSED)

    async def follow_name(self) -> None:
        """Use no connection again to an address that the name has no longer. An unknown name changes nothing."""
        if not self._members:
            return
        where = self._endpoint.proxy or self._endpoint
        try:
            addresses = await where.resolver.addresses_of(where.host, where.port)
        except OSError:
            return
        known = {address[1][:2] for address in addresses}
        for connection in [member for member in self._members if member.peer not in known]:
            connection.expires_at = -NEVER
            if connection in self._idle:
                connection.close()

    async def aclose(self) -> None:
        """Close everything, requests under way too. Nothing can be sent after that."""
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        if self._queue_deadline is not None:
            self._queue_deadline.cancel()
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(ConnectError(_CLOSED))
        for connection in list(self._members):
            if connection in self._idle:
                connection.close()
            else:
                connection.fail(ConnectionClosed(_CLOSED))

    # What a connection tells.

    def on_idle(self, connection: Connection) -> None:
        """The oldest waiter gets it, or it is kept."""
        if self._closed or (self._waiters and connection.expires_at <= self.now()):
            connection.close()
        elif self._waiters and (waiter := self._next_waiter()) is not None:
            waiter.set_result(connection)
        else:
            connection.used_since_sweep = True
            self._idle.append(connection)
            if self._sweep_timer is None:
                self._arm_sweep()

    def _on_closed(self, connection: Connection) -> None:
        """Its slot is free."""
        if connection in self._members:
            self._members.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._reserved += 1
            self._release_slot()

    # Slots and waiters.

    def _first_now(self) -> float:
        self.now = asyncio.get_running_loop().time
        return self.now()

    def _full(self) -> bool:
        return len(self._members) + self._reserved >= self._limits.max_connections

    async def _open(self, deadline: float, connect_timeout: float | None) -> Connection:
        """A new connection, in a slot that is already counted in `_reserved`."""
        loop = asyncio.get_running_loop()
        seconds = self._limits.connect_timeout if connect_timeout is None else connect_timeout
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + seconds)):
                connection = await self._connect(self._endpoint, lambda: self._new_connection(loop))
        except TimeoutError:
            self._release_slot()
            raise ConnectTimeout("no connection in time") from None
        except BaseException:
            self._release_slot()
            raise
        self._reserved -= 1
        return self._admit(connection)

    def _new_connection(self, loop: asyncio.AbstractEventLoop) -> Connection:
        return Connection(loop, self._buffer, self._batcher, self.on_idle, self._on_closed)

    def _admit(self, connection: Connection) -> Connection:
        self._members.add(connection)
        self._certificate_end = connection.certificate_end
        connection.expires_at = self.now() + self._limits.max_age * (1 - random.random() / 10)  # noqa: S311 - no secret
        if self._closed:
            connection.fail(ConnectionClosed(_CLOSED, request_sent=False))
        if connection.closed:
            self._on_closed(connection)
            raise ConnectError("the connection was closed")
        return connection

    def _release_slot(self) -> None:
        """A reserved slot is free: it goes to the oldest waiter, which is handed None."""
        waiter = self._next_waiter()
        if waiter is None:
            self._reserved -= 1
        else:
            waiter.set_result(None)

    def _next_waiter(self) -> "asyncio.Future[Connection | None] | None":
        while self._waiters:
            handed = self._waiters.popleft().handed
            if not handed.done():
                return handed
        return None

    async def _wait(self, deadline: float) -> Connection | None:
        """Wait in the queue: a connection, or None for a slot that is counted in `_reserved`."""
        if len(self._waiters) >= self._limits.max_waiting:
            raise PoolExhausted("too many requests wait for a connection")
        waiter = _Waiter(asyncio.get_running_loop().create_future(), deadline)
        self._waiters.append(waiter)
        self._arm_timer(deadline)
        try:
            return await waiter.handed
        except BaseException:
            self._leave_queue(waiter)
            raise

    def _leave_queue(self, waiter: _Waiter) -> None:
        """Give up one's place, or what one was handed in the very moment of leaving."""
        handed = waiter.handed
        if handed.cancelled() or not handed.done():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        elif handed.exception() is None:
            connection = handed.result()
            if connection is None:
                self._release_slot()
            elif not connection.closed:
                self.on_idle(connection)

    def _arm_timer(self, deadline: float) -> None:
        """One timer for the whole queue: it goes off at the earliest deadline that it was shown."""
        if self._queue_deadline is None:
            self._queue_deadline = MovableDeadline(asyncio.get_running_loop(), self._expire_waiters)
        if deadline < self._queue_deadline.at:
            self._queue_deadline.move(deadline)

    def _expire_waiters(self) -> None:
        """Waiters past their deadline leave the queue; the timer goes on for the others."""
        now, waiters = self.now(), self._waiters
        self._waiters = deque(waiter for waiter in waiters if waiter.deadline > now)
        for waiter in waiters:
            if waiter.deadline > now:
                self._arm_timer(waiter.deadline)
            elif not waiter.handed.done():
                waiter.handed.set_exception(PoolExhausted("no connection fell free in time"))

    def _arm_sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep_timer = loop.call_later(self._limits.idle_seconds / 2, self._sweep)

    def _sweep(self) -> None:
        """Close what has not been used since the last sweep."""
        self._sweep_timer = None
        stale = [connection for connection in self._idle if not connection.used_since_sweep]
        for connection in stale:
            connection.close()
        for connection in self._idle:
            connection.used_since_sweep = False
        if self._idle:
            self._arm_sweep()
