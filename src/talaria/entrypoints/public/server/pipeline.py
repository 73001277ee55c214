"""Whose turn it is on one client connection: requests are answered one after the other, in the order of their coming.

The law:

1. At most one request is being answered, `serving`. Those behind it are parked, PARKED_AT_MOST of them; what comes
   behind these is not served, and the last one parked ends the connection.
2. Nobody's turn begins, and nothing is read, while the client does not take what was written for it.
3. When the client leaves, whoever is serving or parked is told so, once.
4. Once it is over (the last answer is written, the client has left, the connection closes) nobody's turn begins.
"""

import fcntl
import socket
import termios
from asyncio import AbstractEventLoop, Task, Transport
from collections import deque
from collections.abc import Callable
from sys import byteorder
from typing import Any, Final

from uvicorn.protocols.http.flow_control import FlowControl

from talaria.entrypoints.public.server.cycle import Cycle

PARKED_AT_MOST: Final = 32
UNSENT_AT_MOST: Final = 32 * 1024
"""Bytes that wait for a client before it is known not to take them: what each slow reader costs in memory."""
_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
_LEFT: Final = frozenset({7, 8})  # TCP_CLOSE, TCP_CLOSE_WAIT


class Turns:
    """The requests of one connection. `serve` answers one; its task is among `tasks` while it runs."""

    __slots__ = ("_loop", "_serve", "_tasks", "flow", "over", "parked", "serving")

    def __init__(self, loop: AbstractEventLoop, serve: Callable[[Cycle], Any], tasks: "set[Task[None]]") -> None:
        self.serving: Cycle | None = None
        self.parked: deque[Cycle] = deque()
        self.over = False
        self.flow: FlowControl
        self._loop = loop
        self._serve = serve
        self._tasks = tasks

    @property
    def idle(self) -> bool:
        """Is nobody served, and does nobody wait for it?"""
        return self.serving is None and not self.parked

    def arrived(self, cycle: Cycle) -> bool:
        """A new request: its turn begins now or later. False: never, there are too many, or it is over."""
        if self.over:
            return False
        if self.serving is None and not self.flow.write_paused:
            self._begin(cycle)
            return True
        self.flow.pause_reading()
        if len(self.parked) < PARKED_AT_MOST:
            self.parked.append(cycle)
            return True
        self.parked[-1].keep_alive = False
        return False

    def go_on(self) -> None:
        """The next turn, if somebody waits for it; else read on. Not while the client takes nothing."""
        if self.serving is not None or self.over:
            return
        if self.flow.write_paused:
            self.flow.pause_reading()
        elif self.parked:
            self._begin(self.parked.popleft())
        else:
            self.flow.resume_reading()

    def end(self) -> None:
        """The connection ends. Whoever is parked has not begun, and never will."""
        self.over = True
        self.parked.clear()

    def gone(self) -> None:
        """The client has left."""
        told, self.serving = [self.serving, *self.parked], None
        self.end()
        for cycle in told:
            if cycle is not None and not cycle.response_complete:
                cycle.gone()

    def last_ones(self) -> None:
        """The connection ends with the next answer that begins."""
        for cycle in [self.serving, *self.parked]:
            if cycle is not None and not cycle.response_started:
                cycle.keep_alive = False

    def _begin(self, cycle: Cycle) -> None:
        self.serving = cycle
        task = self._loop.create_task(self._serve(cycle))
        cycle.on_gone = task.cancel
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def has_left(transport: Transport) -> bool:
    """Has the client closed its side? For a connection that nobody reads from, where no end of file can be seen."""
    sock = transport.get_extra_info("socket")
    if _TCP_INFO is None or sock is None or sock.family == getattr(socket, "AF_UNIX", None):
        return False
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] in _LEFT
    except OSError:
        return True


def unsent_to(transport: Transport) -> int:
    """Bytes that the client has not taken yet. Those that the kernel holds move first, and over TLS they alone do."""
    unsent, sock = transport.get_write_buffer_size(), transport.get_extra_info("socket")
    if sock is None:
        return unsent
    try:
        return unsent + int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), byteorder)
    except (OSError, ValueError):
        return unsent
