"""Clients in front of a gateway with a fast path, and an upstream of several urls: all is real but the sockets."""

import re
from collections.abc import Callable
from typing import Any, cast

from talaria.adapters.balanced_upstream import Backend, BalancedUpstream
from talaria.adapters.http1.connect import Endpoint
from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.pool import Limits, Pool
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.adapters.talaria_services import TalariaServices
from talaria.adapters.telemetry.request_line import RequestLine, forwarded_line, request_line
from talaria.domain.events import RequestFinished, RequestForwarded
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.entrypoints.public.fast_path import FastPath
from talaria.entrypoints.public.proxy import Proxy
from talaria.entrypoints.public.server.connection import ListenerState
from talaria.entrypoints.public.server.fast_connection import FastConnection
from talaria.entrypoints.public.server.framing import ConnectionLimits
from tests.unit.adapters.http1.support_http1 import FakeTransport
from tests.unit.domain.support_exchange import World
from tests.unit.domain.support_memory_gateway import Door
from tests.unit.entrypoints.public.server.support_server import ClientTransport, Rejected
from tests.unit.entrypoints.public.support_events import Recorded
from tests.unit.support_time import clock, settle

LIMITS = ConnectionLimits(header_limit=2000, header_timeout=5.0, keepalive_timeout=7.0)
BODY_LIMIT = 100
OK = b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\n\r\nok"
UNKNOWN = b"HTTP/1.1 404 Not Found\r\nx-talaria-unknown-user: 1\r\ncontent-length: 0\r\n\r\n"
_IDS = re.compile(rb"[0-9a-f]{32}|x-request-timeout-ms: [0-9]+\r\n|date: [A-Z][^\r]* GMT\r\n")


def ask(*lines: bytes, start: bytes = b"GET /rides?a=1", token: bytes = b"t-1", body: bytes = b"") -> bytes:
    """A request that is plain, but for what these lines make of it."""
    head = [start + b" HTTP/1.1", b"host: api.example", b"x-api-tag: wind", b"authorization: Bearer " + token, *lines]
    return b"\r\n".join([*head, b"", b""]) + body


def post(body: bytes, *lines: bytes, method: bytes = b"POST") -> bytes:
    """One with a body."""
    return ask(b"content-length: %d" % len(body), *lines, start=method + b" /rides", body=body)


class Url(Http1Upstream):
    """One url. `connections`: those that were made; `refusing` is raised in place of a new one."""

    def __init__(self, authority: str) -> None:
        now = clock().now
        super().__init__(f"http://{authority}", name="services", address=f"http://{authority}", now=now)
        self.connections: list[Connection] = []
        self.transports: list[FakeTransport] = []
        self.refusing: Exception | None = None
        self._pool = Pool(Endpoint.of(f"http://{authority}"), Limits(max_connections=4), self._connect_to_nothing)
        self.take, self.give_back = self._pool.take, self._pool.on_idle

    async def _connect_to_nothing(self, endpoint: Endpoint, protocol: Callable[[], Connection], /) -> Connection:
        if self.refusing is not None:
            raise self.refusing
        connection = protocol()
        self.transports.append(FakeTransport())
        self.connections.append(connection)
        connection.connection_made(self.transports[-1])
        return connection

    @property
    def written(self) -> bytes:
        """What it has got on all connections."""
        return b"".join(transport.written for transport in self.transports)


class Client:
    """A connection of a client."""

    def __init__(self, town: "FastTown", peer: str = "203.0.113.7") -> None:
        self.transport = ClientTransport()
        self.transport.extra = {"peername": (peer, 1234)}
        self.connection = FastConnection(LIMITS, town.proxy, Rejected(), town.state, town.fast_path)
        self.connection.connection_made(self.transport)

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a turn of its own."""
        for piece in pieces:
            self.connection.data_received(piece)
            await settle()

    def got(self) -> bytes:
        """What it has got since it was asked last."""
        written, self.transport.written = self.transport.written, b""
        return written


class FastTown(Recorded):
    """Needs a loop of support_time. `wall` are seconds since the epoch. `urls`: those of the upstream."""

    def __init__(self, urls: int = 1, limit: int = 10, *, enabled: bool = True, **door: Any) -> None:
        self.clock = clock()
        self.wall = 5000.0
        self.urls = [Url(f"up-{number}") for number in range(urls)]
        world = World()
        self.recorder = world.recorder
        backends = [Backend(url) for url in self.urls]
        self.breakers = [backend.breaker for backend in backends]
        self.services = TalariaServices(BalancedUpstream("services", backends, self.clock, self.recorder), self.clock)
        self.door = Door(upstream=cast(Any, self.services), world=world, **door)
        self.limiter = ConcurrencyLimiter(limit)
        gateway = self.door.gateway
        self.proxy = Proxy(gateway, self.recorder, self.clock, self.limiter, body_limit=BODY_LIMIT)
        self.state = ListenerState()
        self.fast_path = FastPath(
            gateway,
            self.recorder,
            self.clock,
            self.limiter,
            body_limit=BODY_LIMIT,
            enabled=enabled,
            wall=lambda: self.wall,
        )

    async def warm(self, data: bytes | None = None, peer: str = "203.0.113.7") -> Client:
        """A client of which one request was answered: its pair is cached, and a connection of each url is idle."""
        client = Client(self, peer)
        self._forget_written()
        for _ in self.urls:
            await client.send(data or ask())
            await self.reply(OK, url=next(url for url in self.urls if url.written))
            self._forget_written()
        assert client.got().startswith(b"HTTP/1.1 200")
        self.recorder.events.clear()
        return client

    def _forget_written(self) -> None:
        for url in self.urls:
            for transport in url.transports:
                transport.written = b""

    async def reply(self, *pieces: bytes, url: Url | None = None) -> None:
        """The newest connection of this url, or of the first, brings these bytes."""
        connection = (url or self.urls[0]).connections[-1]
        for piece in pieces:
            receive(connection, piece)
            await settle()


def receive(connection: Connection, data: bytes) -> None:
    """The bytes arrive in the buffer that the connection offers."""
    while data:
        buffer = connection.get_buffer(-1)
        piece, data = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(piece)] = piece
        connection.buffer_updated(len(piece))


def line_of(event: RequestFinished | RequestForwarded) -> RequestLine:
    """Its access line, without ids and times."""
    line = forwarded_line(event, "", 0) if isinstance(event, RequestForwarded) else request_line(event, "", 0)
    line.request_id, line.total_ms, line.upstream_ms = "", 0.0, 0.0
    return line


def without_ids(data: bytes) -> bytes:
    """A head without what differs from one request to the next."""
    return _IDS.sub(b"", data)
