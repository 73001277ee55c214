"""A client's connection without a socket: the bytes are fed by hand, and the app answers when the test says so."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from talaria.adapters.http1.write_batcher import Outbox
from talaria.domain.errors import Refusal
from talaria.domain.events import RequestFinished
from talaria.entrypoints.public.early import EarlyEnds
from talaria.entrypoints.public.server.connection import Connection
from talaria.entrypoints.public.server.cycle import Cycle
from talaria.entrypoints.public.server.framing import Limits
from talaria.testing import MemoryRecorder
from tests.unit.adapters.http1.support_http1 import FakeTransport

LIMITS = Limits(header_limit=1000, header_timeout=5.0, keepalive_timeout=7.0)


class ClientTransport(FakeTransport):
    """One whose sending half can be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.finished = False
        self.sock: socket.socket | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.sock if name == "socket" else default

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
    """Whatever is ready now has had its turn."""
    for _ in range(5):
        await asyncio.sleep(0)


class Early(EarlyEnds):
    """Notes what would be answered, in place of its bytes."""

    def __init__(self) -> None:
        self.recorder = MemoryRecorder()
        super().__init__(self.recorder)
        self.refusals: list[Refusal] = []

    def refused(self, refusal: Refusal) -> bytes:
        self.refusals.append(refusal)
        return b"<refused>"


class Door:
    """One connection. `began`: the requests whose turn has begun, in order.

    `hold`, where it is given, is what the app does with a request; else it leaves the answer to the test.
    """

    def __init__(self, limits: Limits = LIMITS, hold: Callable[[Cycle], Awaitable[object]] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = ClientTransport()
        self.state = ServerState()
        self.outbox = Outbox()
        self.began: list[Cycle] = []
        self.early = Early()
        self._hold = hold
        config = uvicorn.Config(_no_app, interface="asgi3", ws="none", lifespan="off", log_config=None)
        self.connection = Connection(
            limits, self._serve, self.early, self.outbox, config=config, server_state=self.state, app_state={}
        )
        self.connection.connection_made(self.transport)

    @property
    def targets(self) -> list[bytes]:
        """What was asked for by those whose turn has begun."""
        return [cycle.target for cycle in self.began]

    @property
    def refused(self) -> list[Refusal]:
        """What heads that never became a request have earned."""
        return self.early.refusals

    @property
    def cut_off(self) -> list[tuple[int, str, str]]:
        """What was noted of heads that nobody was told anything of."""
        events = self.early.recorder.events
        return [(event.status, event.reason, event.cause) for event in events if isinstance(event, RequestFinished)]

    @property
    def aborted(self) -> bool:
        """Is the connection cut off?"""
        return self.transport.ended == "aborted"

    async def feed(self, *pieces: bytes) -> None:
        """Bytes of the client, each piece in a turn of its own; none while nobody reads, as with a real transport."""
        for piece in pieces:
            assert self.transport.reading
            self.connection.data_received(piece)
            await settled()

    async def answer(self, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
        """Answer whoever is served now."""
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

    def look_over(self, later: float) -> None:
        """As the listener does, so many seconds from now."""
        self.connection.look_over(self.loop.time() + later)

    async def _serve(self, cycle: Cycle) -> None:
        self.began.append(cycle)
        if self._hold is not None:
            await self._hold(cycle)


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    """Uvicorn wants one."""


def get(target: str, *lines: str) -> bytes:
    """A request without a body."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "host: a", *lines, "", ""]).encode()


def post(target: str, body: bytes, *lines: str) -> bytes:
    """A request with a body by its length."""
    return get(target, f"content-length: {len(body)}", *lines).replace(b"GET", b"POST", 1) + body
