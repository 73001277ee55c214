"""The connections to one place: kept, limited, waited for.

A connection belongs to one of: a request, `_idle`, or nobody (closed, forgotten). A slot is a connection or a dial
under way; there are never more than `max_connections`. Who finds none free waits in one line, first come first served:
a connection that comes back, or a slot that falls free, goes straight to the head of the line, so that nobody
overtakes. Hence whenever anybody waits, no connection is idle.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from talaria.adapters.http1.connect import Place, dial
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.timer import Patience
from talaria.adapters.http1.write_batcher import Outbox
from talaria.domain.errors import GatewayOverloaded, TimedOut, Unreachable

_READ_AT_MOST = 64 * 1024
_CLOSED = "this gateway has closed its connections"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one pool. `max_waiting` is the longest line. An idle connection is closed within `idle_seconds`."""

    connect_timeout: float = 1.0
    max_connections: int = 256
    max_waiting: int = 1024
    idle_seconds: float = 30.0


class Dial(Protocol):
    """How a place is connected to."""

    def __call__(self, place: Place, protocol: Callable[[], Connection], /) -> Awaitable[Connection]:
        """Raises Unreachable, GatewayOverloaded or TimeoutError."""
        ...


class _Waiting(NamedTuple):
    """One's place in the line, until `deadline` by the loop's clock."""

    turn: "asyncio.Future[Connection | None]"
    deadline: float


class Pool:
    """Lives on the loop that it is first used on. `now()` is that loop's clock."""

    def __init__(self, place: Place, limits: Limits, dial: Dial = dial) -> None:
        self._place = place
        self._dial = dial
        self._limits = limits
        self._idle: list[Connection] = []
        self._members: set[Connection] = set()
        self._line: deque[_Waiting] = deque()
        self._patience: Patience | None = None
        self._buffer = memoryview(bytearray(_READ_AT_MOST))
        self.outbox = Outbox()
        self._dialling = 0
        self._closed = False
        self._sweep_timer: asyncio.TimerHandle | None = None
        self.now: Callable[[], float] = self._first_now

    @property
    def in_flight(self) -> int:
        """Requests that have a connection, are getting one, or wait for one."""
        return len(self._members) - len(self._idle) + self._dialling + len(self._line)

    @property
    def idle(self) -> int:
        """Connections that are kept and not in use."""
        return len(self._idle)

    def take(self) -> Connection | None:
        """The connection that came back last, if one is idle."""
        return self._idle.pop() if self._idle else None

    async def get(self, deadline: float, *, new: bool = False, connect_timeout: float | None = None) -> Connection:
        """A connection: an idle one, or else a new one, or else one's turn in the line.

        `new`: never one that was used before. `deadline` is by the loop's clock; `connect_timeout` in seconds, else
        that of the limits. Raises GatewayOverloaded where the line is full, the turn does not come in time or this
        machine has no socket left, Unreachable, TimedOut.
        """
        while not self._closed:
            if not new and self._idle:
                return self._idle.pop()
            if new and self._idle and self._full():
                self._idle[0].close()
            if not self._full():
                self._dialling += 1
                return await self._connect(deadline, connect_timeout)
            handed = await self._turn(deadline)
            if handed is None:
                return await self._connect(deadline, connect_timeout)
            if handed.closed:
                continue
            if not new:
                return handed
            self._members.discard(handed)
            self._dialling += 1
            handed.close()
            return await self._connect(deadline, connect_timeout)
        raise Unreachable("upstream", _CLOSED)

    def release(self, connection: Connection) -> None:
        """The connection's: it is IDLE. The first in the line gets it, or it is kept."""
        if self._closed:
            connection.close()
        elif (waiter := self._first_in_line()) is not None:
            waiter.set_result(connection)
        else:
            connection.fresh = True
            self._idle.append(connection)
            if self._sweep_timer is None:
                self._sweep_later()

    def forget(self, connection: Connection) -> None:
        """The connection's: it is CLOSED. Its slot is free."""
        if connection in self._members:
            self._members.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._dialling += 1
            self._free_dial()

    async def aclose(self) -> None:
        """Close everything, requests under way too. Nothing can be sent after that."""
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        if self._patience is not None:
            self._patience.end()
        while (waiter := self._first_in_line()) is not None:
            waiter.set_exception(Unreachable("upstream", _CLOSED))
        for connection in list(self._members):
            if connection in self._idle:
                connection.close()
            else:
                connection.fail(Unreachable("upstream", _CLOSED))

    def _first_now(self) -> float:
        self.now = asyncio.get_running_loop().time
        return self.now()

    def _full(self) -> bool:
        return len(self._members) + self._dialling >= self._limits.max_connections

    async def _connect(self, deadline: float, connect_timeout: float | None) -> Connection:
        """A new connection, in a slot that is already counted in `_dialling`."""
        loop = asyncio.get_running_loop()
        patience = self._limits.connect_timeout if connect_timeout is None else connect_timeout
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + patience)):
                connection = await self._dial(self._place, lambda: Connection(loop, self, self._buffer))
        except TimeoutError:
            self._free_dial()
            raise TimedOut("upstream", "no connection in time") from None
        except BaseException:
            self._free_dial()
            raise
        self._dialling -= 1
        return self._admit(connection)

    def _admit(self, connection: Connection) -> Connection:
        self._members.add(connection)
        if self._closed:
            connection.fail(Unreachable("upstream", _CLOSED))
        if connection.closed:
            self.forget(connection)
            raise Unreachable("upstream", "the connection was closed")
        return connection

    def _free_dial(self) -> None:
        """A slot is free: it goes to the first in the line, who is told None, or to nobody."""
        waiter = self._first_in_line()
        if waiter is None:
            self._dialling -= 1
        else:
            waiter.set_result(None)

    def _first_in_line(self) -> "asyncio.Future[Connection | None] | None":
        while self._line:
            turn = self._line.popleft().turn
            if not turn.done():
                return turn
        return None

    async def _turn(self, deadline: float) -> Connection | None:
        """Wait in the line: a connection, or None for a slot that is counted in `_dialling`."""
        if len(self._line) >= self._limits.max_waiting:
            raise GatewayOverloaded("too many requests wait for a connection", retry_after=1)
        place = _Waiting(asyncio.get_running_loop().create_future(), deadline)
        self._line.append(place)
        self._watch(deadline)
        try:
            return await place.turn
        except BaseException:
            self._leave_line(place)
            raise

    def _leave_line(self, place: _Waiting) -> None:
        """Give up one's place, or what one was handed in the very moment of leaving."""
        turn = place.turn
        if turn.cancelled() or not turn.done():
            if place in self._line:
                self._line.remove(place)
        elif turn.exception() is None:
            handed = turn.result()
            if handed is None:
                self._free_dial()
            elif not handed.closed:
                self.release(handed)

    def _watch(self, deadline: float) -> None:
        """One timer for the whole line: it goes off at the earliest deadline that it was shown."""
        if self._patience is None:
            self._patience = Patience(asyncio.get_running_loop(), self._end_waiting)
        if deadline < self._patience.deadline:
            self._patience.until(deadline)

    def _end_waiting(self) -> None:
        """Those whose time is up leave the line; the timer goes on for the others."""
        now, line = self.now(), self._line
        self._line = deque(place for place in line if place.deadline > now)
        for place in line:
            if place.deadline > now:
                self._watch(place.deadline)
            elif not place.turn.done():
                place.turn.set_exception(GatewayOverloaded("no connection fell free in time", retry_after=1))

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep_timer = loop.call_later(self._limits.idle_seconds / 2, self._sweep)

    def _sweep(self) -> None:
        """Close what has not been used since the last sweep."""
        self._sweep_timer = None
        stale = [connection for connection in self._idle if not connection.fresh]
        for connection in stale:
            connection.close()
        for connection in self._idle:
            connection.fresh = False
        if self._idle:
            self._sweep_later()
