"""An edge proxy that asks for decisions without a socket, and what it gets."""

import json
from collections.abc import Sequence
from typing import Any

from talaria.domain.errors import Refusal
from talaria.domain.events import ExchangeFinished, RequestFinished
from talaria.domain.http import Headers
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.entrypoints.public import problems
from talaria.entrypoints.public.decisions import Decisions
from talaria.entrypoints.public.server.connection import ListenerState
from talaria.entrypoints.public.server.fast_connection import FastConnection
from talaria.testing import MemoryRecorder
from tests.unit.domain.support_memory_gateway import Door
from tests.unit.entrypoints.public.server.support_server import LIMITS, ClientTransport, Rejected
from tests.unit.entrypoints.public.support_cycle import arrived
from tests.unit.entrypoints.public.support_events import Recorded
from tests.unit.support_time import settle

WALL = 1_800_000_000.0
Question = tuple[bytes, bytes]
GOOD: Headers = [(b"host", b"api.example"), (b"x-api-tag", b"wind"), (b"authorization", b"Bearer t-1")]


def by_headers(*more: Question, method: bytes = b"GET", target: bytes = b"/rides?a=1") -> Headers:
    """What nginx, Caddy, HAProxy and Traefik send to /decide."""
    return [*GOOD, (b"x-forwarded-method", method), (b"x-forwarded-uri", target), *more]


class Answer:
    """What the edge got."""

    def __init__(self, written: bytes, event: RequestFinished | None) -> None:
        head, _, self.body = written.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ")[1])
        pairs = [line.partition(b": ")[::2] for line in lines]
        self.headers = dict(pairs)
        assert len(self.headers) == len(pairs)
        self._event = event

    @property
    def event(self) -> RequestFinished:
        assert self._event is not None
        return self._event

    def problem(self) -> str:
        """The reason, which the head says too."""
        reason = str(json.loads(self.body)["reason"])
        assert self.headers[b"x-talaria-reason"] == reason.encode()
        assert self.headers[b"cache-control"] == b"no-store"
        assert self.status == problems.ROWS[reason].status
        return reason


class Edge:
    """An edge proxy that asks. Times are those of the gateway's own clock; `WALL` is the time of tokens."""

    def __init__(self, door: Door | None = None, max_age: float = 0.0) -> None:
        self.door = door or Door()
        self.recorder = MemoryRecorder()
        self.limiter = ConcurrencyLimiter(2)
        self.decisions = Decisions(
            self.door.gateway, self.recorder, self.door.world.clock, self.limiter, max_age=max_age, wall=lambda: WALL
        )

    async def ask(
        self,
        target: bytes = b"/decide",
        headers: Headers | None = None,
        method: str = "GET",
        refusal: Refusal | None = None,
    ) -> Answer:
        given = by_headers() if headers is None else headers
        cycle, link = arrived(target, method=method, headers=given, refusal=refusal)
        before = len(self.recorder.events)
        await self.decisions(cycle)
        assert link.completed == [cycle]
        events = [event for event in self.recorder.events[before:] if isinstance(event, RequestFinished)]
        assert len(events) <= 1
        assert not self.door.upstream.received, "a decision asks no upstream"
        return Answer(link.written, events[0] if events else None)


def question(
    *lines: bytes,
    start: bytes = b"GET /decide",
    asked: Sequence[bytes] = (b"X-Forwarded-Method: GET", b"X-Forwarded-Uri: /rides?a=1"),
    token: bytes = b"t-1",
    tag: bytes = b"wind",
) -> bytes:
    """A question as its bytes, that is plain, but for what these lines make of it."""
    head = [start + b" HTTP/1.1", b"Host: api.example", b"x-api-tag: " + tag, b"Authorization: Bearer " + token]
    return b"\r\n".join([*head, *asked, *lines, b"", b""])


class EdgeTown(Recorded):
    """An edge on a connection to the decision API: all is real but the socket. `wall` are seconds since the epoch."""

    def __init__(self, max_age: float = 0.0, limit: int = 10, *, fast_path: bool = True, **door: Any) -> None:
        self.wall = WALL
        self.door = Door(**door)
        self.recorder = self.door.world.recorder
        self.limiter = ConcurrencyLimiter(limit)
        self.decisions = Decisions(
            self.door.gateway,
            self.recorder,
            self.door.world.clock,
            self.limiter,
            max_age=max_age,
            fast_path=fast_path,
            wall=lambda: self.wall,
        )
        self.state = ListenerState()
        self.connect()

    def connect(self) -> None:
        """Take a new connection."""
        self.transport = ClientTransport()
        self.transport.extra = {"peername": ("127.0.0.1", 1234)}
        self.connection = FastConnection(LIMITS, self.decisions, Rejected(), self.state, self.decisions)
        self.connection.connection_made(self.transport)

    async def send(self, *pieces: bytes) -> bytes:
        """Each piece in a turn of its own. Gives what the edge got meanwhile."""
        for piece in pieces:
            self.connection.data_received(piece)
            await settle()
        written, self.transport.written = self.transport.written, b""
        return written

    async def ask(self, data: bytes | None = None) -> Answer:
        """One question that is answered at once."""
        return Answer(await self.send(data or question()), None)

    @property
    def hits(self) -> int:
        """How many were served by a cached pair."""
        counted = [event for event in self.recorder.events if isinstance(event, ExchangeFinished)]
        return sum(event.result == "hit" for event in counted) + sum(self.fast)
