"""The pipelined requests of one connection: answered one after the other, in the order of their arrival.

Rules:

1. At most one request is `active`. Those behind it are queued, at most MAX_QUEUED; what comes behind these is not
   served, and the last queued request ends the connection.
2. Reading and dispatch pause while the write buffer is above its high-water mark. A request that was sent to its
   upstream already does not wait for that: its connection and its place among those in flight wait for it.
3. When the client disconnects, the active and the queued requests are told so, once.
4. Once the pipeline is `closed` (the last response is written, the client has disconnected, the connection closes) no
   request starts.
"""

from asyncio import Task
from collections import deque
from typing import Final

from talaria.entrypoints.public.server.cycle import App, Link, RequestResponseCycle

MAX_QUEUED: Final = 32


class RequestPipeline:
    """The requests of one connection. `app` answers one; its task is in `tasks` while it runs."""

    __slots__ = ("_app", "_link", "_tasks", "active", "closed", "queued")

    def __init__(self, link: Link, app: App, tasks: set[Task[None]]) -> None:
        self.active: RequestResponseCycle | None = None
        self.queued: deque[RequestResponseCycle] = deque()
        self.closed = False
        self._link = link
        self._app = app
        self._tasks = tasks

    @property
    def idle(self) -> bool:
        """Is no request active or queued?"""
        return self.active is None and not self.queued

    def add(self, cycle: RequestResponseCycle) -> bool:
        """Start a new request, or queue it. False: it is never served, for there are too many, or it is too late."""
        if self.closed:
            return False
        if self.active is None and not self._link.write_paused:
            self._start(cycle)
            return True
        self._link.pause_reading()
        if len(self.queued) < MAX_QUEUED:
            self.queued.append(cycle)
            return True
        self.queued[-1].keep_alive = False
        return False

    def start_next(self) -> None:
        """Start the next queued request; where there is none, read on. Neither while the client reads nothing."""
        if self.active is not None or self.closed:
            return
        if self._link.write_paused:
            self._link.pause_reading()
        elif self.queued:
            self._start(self.queued.popleft())
        else:
            self._link.resume_reading()

    def start_sent(self, cycle: RequestResponseCycle) -> None:
        """Start this request, the only one, where `add` has queued it: it was sent already."""
        if self.active is None:
            self.queued.remove(cycle)
            self._start(cycle)

    def close(self) -> None:
        """The connection ends: the queued requests never start."""
        self.closed = True
        self.queued.clear()

    def client_disconnected(self) -> None:
        """Tell the active and the queued requests."""
        cycles, self.active = [self.active, *self.queued], None
        self.close()
        for cycle in cycles:
            if cycle is not None:
                cycle.disconnect()

    def disable_keep_alive(self) -> None:
        """The next response that begins is the last one of the connection."""
        for cycle in [self.active, *self.queued]:
            if cycle is not None and not cycle.response_started:
                cycle.keep_alive = False

    def _start(self, cycle: RequestResponseCycle) -> None:
        self.active = cycle
        task = self._link.loop.create_task(self._app(cycle))
        cycle.on_disconnect = task.cancel
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
