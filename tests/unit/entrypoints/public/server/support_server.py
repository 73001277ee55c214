"""A client's connection without a socket: the bytes are fed by hand, and the app answers when the test says so."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from talaria.domain.errors import Refusal
from talaria.domain.events import RequestFinished
from talaria.entrypoints.public.problems import RejectedHeads
from talaria.entrypoints.public.server.connection import Connection, ListenerState
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.framing import ConnectionLimits
from talaria.testing import MemoryRecorder
from tests.unit.adapters.http1.support_http1 import FakeTransport

LIMITS = ConnectionLimits(header_limit=1000, header_timeout=5.0, keepalive_timeout=7.0)


class ClientTransport(FakeTransport):
    """One that can close its sending half."""

    def __init__(self) -> None:
        super().__init__()
        self.finished = False
        self.sock: socket.socket | None = None
        self.extra: dict[str, Any] = {}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.sock if name == "socket" else self.extra.get(name, default)

    def pause_reading(self) -> None:
        assert self.reading, "a loop does not let reading be paused twice"
        super().pause_reading()

    def resume_reading(self) -> None:
        assert not self.reading, "a loop does not let reading be resumed twice"
        super().resume_reading()

    def can_write_eof(self) -> bool:
        return True

    def abort(self) -> None:
        self.ended = "aborted"

    def write_eof(self) -> None:
        self.finished = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.finished:
            raise RuntimeError("Cannot call write() after write_eof()")
        super().write(data)


async def settled() -> None:
    """Every callback that is ready now has run."""
    for _ in range(5):
        await asyncio.sleep(0)


class Rejected(RejectedHeads):
    """Notes what would be answered, in place of its bytes."""

    def __init__(self) -> None:
        self.recorder = MemoryRecorder()
        super().__init__(self.recorder)
        self.refusals: list[Refusal] = []

    def refuse(self, refusal: Refusal) -> bytes:
        self.refusals.append(refusal)
        return b"<refused>"


class Harness:
    """One connection. `began`: the requests that have started, in order.

    `hold`, where it is given, is what the app does with a request; else it leaves the answer to the test.
    """

    def __init__(
        self,
        limits: ConnectionLimits = LIMITS,
        hold: Callable[[RequestResponseCycle], Awaitable[object]] | None = None,
        state: ListenerState | None = None,
        **extra: Any,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = ClientTransport()
        self.transport.extra = extra
        self.state = state or ListenerState()
        self.began: list[RequestResponseCycle] = []
        self.rejected = Rejected()
        self._hold = hold
        self.connection = Connection(limits, self._serve, self.rejected, self.state)
        self.connection.connection_made(self.transport)

    @property
    def targets(self) -> list[bytes]:
        """The targets of the requests that have started."""
        return [cycle.target for cycle in self.began]

    @property
    def refused(self) -> list[Refusal]:
        """What heads that never became a request were refused with."""
        return self.rejected.refusals

    @property
    def cut_off(self) -> list[tuple[int, str, str]]:
        """What was recorded of heads that were cut off without a response."""
        events = self.rejected.recorder.events
        return [(event.status, event.reason, event.cause) for event in events if isinstance(event, RequestFinished)]

    @property
    def aborted(self) -> bool:
        """Is the connection cut off?"""
        return self.transport.ended == "aborted"

    async def feed(self, *pieces: bytes) -> None:
        """Bytes of the client, each piece in a turn of its own; none while reading is paused, as on a transport."""
        for piece in pieces:
            assert self.transport.reading
            self.connection.data_received(piece)
            await settled()

    async def answer(self, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
        """Answer the active request."""
        self.began[-1].respond(200, list(headers), body)
        await settled()

    async def stuck(self, unsent: int = 100_000) -> None:
        """The client takes nothing more."""
        self.transport.unsent = unsent
        self.connection.pause_writing()
        await settled()

    async def taken(self) -> None:
        """The client has taken everything."""
        self.transport.unsent = 0
        self.connection.resume_writing()
        await settled()

    async def lost(self) -> None:
        """The connection is lost."""
        self.connection.connection_lost(None)
        await settled()

    def enforce_timeouts(self, later: float) -> None:
        """As the listener does, so many seconds from now."""
        self.connection.enforce_timeouts(self.loop.time() + later)

    async def _serve(self, cycle: RequestResponseCycle) -> None:
        self.began.append(cycle)
        if self._hold is not None:
            await self._hold(cycle)


def get(target: str, *lines: str) -> bytes:
    """A request without a body."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "host: a", *lines, "", ""]).encode()


def post(target: str, body: bytes, *lines: str) -> bytes:
    """A request with a body by its length."""
    return get(target, f"content-length: {len(body)}", *lines).replace(b"GET", b"POST", 1) + body
