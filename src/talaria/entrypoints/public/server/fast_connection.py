"""A client's connection with a fast path in front of its parser.

The fast path is asked where nothing is under way on the connection and nothing is half read: a queued request has an
active one before it, or a client that takes nothing, and a response that comes before the end of its request ends the
connection. It takes a request whole, and then it is the connection's only one: whatever else happens (more bytes, a
disconnect, a drain, a reload) hands it over first, to the parser and the pipeline, as if it had come to them.
"""

from functools import partial
from typing import Protocol

from talaria.entrypoints.public.problems import RejectedHeads
from talaria.entrypoints.public.server.connection import Connection, ListenerState
from talaria.entrypoints.public.server.cycle import App, FirstTry
from talaria.entrypoints.public.server.framing import ConnectionLimits


class SentRequest(FirstTry, Protocol):
    """A request on the fast path; `data` are its bytes."""

    data: bytes

    def leave(self) -> None:
        """Call `FastConnection.hand_over`, after which the request is the slow path's."""
        ...


class Sender(Protocol):
    """The fast path: `fast_path.FastPath`, or `decisions.Decisions`."""

    enabled: bool

    def begin(self, client: "FastConnection", data: bytes, header_limit: int) -> bool:
        """Take the request that these bytes are: it is answered, or begun. False: nothing was done."""
        ...


class FastConnection(Connection):
    """Asks `fast_path` before the parser."""

    def __init__(
        self, limits: ConnectionLimits, app: App, rejected: RejectedHeads, state: ListenerState, fast_path: Sender
    ) -> None:
        super().__init__(limits, app, rejected, state)
        self._fast_path = fast_path
        self._sent: SentRequest | None = None

    def data_received(self, data: bytes) -> None:
        pipeline = self.pipeline
        if self._sent is not None:
            self.leave_fast_path()
        elif not (  # is it switched off, or is anything under way, half read, or about to end the connection?
            not self._fast_path.enabled
            or pipeline.active is not None
            or self._received
            or self._in_head
            or self.write_paused
            or self.draining
            or self._discarding
            or pipeline.closed
        ) and self._fast_path.begin(self, data, self._limits.header_limit):
            return
        super().data_received(data)

    def begun(self, request: SentRequest) -> None:
        """This request was sent: its response is waited for."""
        self._sent, self._time_limit = request, 0.0

    def answer(self, response: bytes) -> None:
        """Write the whole response; the request is over."""
        self._sent = None
        self._since, self._time_limit = self.loop.time(), self._limits.keepalive_timeout
        self._state.batcher.write(self.loop, self._write_if_open, response)

    def leave_fast_path(self) -> None:
        if self._sent is not None:
            self._sent.leave()

    def hand_over(self) -> None:
        """The request goes on on the slow path, which has not seen a byte of it yet."""
        sent, self._sent = self._sent, None
        if sent is None:
            raise AssertionError("no request is on the fast path")
        super().data_received(sent.data)
        cycle = self._arriving()
        cycle.first_try = sent
        self.pipeline.start_sent(cycle)
        if cycle.on_disconnect is not None:  # not before the task has run and awaits the response
            cycle.on_disconnect = partial(self.loop.call_soon, cycle.on_disconnect)

    def begin_drain(self) -> None:
        self.leave_fast_path()
        super().begin_drain()

    def eof_received(self) -> None:
        self.leave_fast_path()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave_fast_path()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        return self._sent is None and super().is_idle
