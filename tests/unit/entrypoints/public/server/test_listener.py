"""The public listener without a socket: what new connections get, the sweep, and the drain."""

import asyncio
import socket
import ssl
from typing import Any, cast

import pytest

from talaria.entrypoints.public.server.connection import Connection
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.framing import ConnectionLimits
from talaria.entrypoints.public.server.listener import CLOSE_NOTIFY_TIMEOUT, HANDSHAKE_SECONDS, IDLE_GRACE, Listener
from talaria.entrypoints.public.server.sockets import BACKLOG
from tests.unit.entrypoints.public.server.support_server import LIMITS, ClientTransport, Rejected, get
from tests.unit.support_time import clock, run, settle

DRAIN = 20.0
OTHER = ConnectionLimits(header_limit=10, header_timeout=1.0, keepalive_timeout=1.0)


class Accepted:
    """A socket that a client has connected."""

    blocking = True

    def setblocking(self, blocking: bool) -> None:
        self.blocking = blocking


class Socket:
    """A listening socket that is closed already, so that the kernel is asked nothing.

    `waiting`: connections that are complete and not accepted yet. `options`: those that were set.
    """

    def __init__(self) -> None:
        self.waiting: list[Accepted] = []
        self.options: list[tuple[object, ...]] = []

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *option: object) -> None:
        self.options.append(option)

    def accept(self) -> Any:
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.pop(0), ("203.0.113.7", 1)


class Server:
    """What a loop makes of a socket. `given`: what it was asked for."""

    def __init__(self, factory: Any, given: dict[str, Any]) -> None:
        self.factory, self.given = factory, given
        self.closed = False

    def close(self) -> None:
        self.closed = True


class PoliteTransport(ClientTransport):
    """Closed it is lost, as by a loop; unless its client answers no close."""

    def __init__(self, protocol: Connection, *, answers: bool = True) -> None:
        super().__init__()
        self._protocol = protocol
        self._answers = answers
        self.lost = False

    def close(self) -> None:
        super().close()
        if self._answers:
            self._lose()

    def abort(self) -> None:
        super().abort()
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


class World:
    """A listener that has started, and the requests that it has begun. Needs a loop of support_time."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.cycles: list[RequestResponseCycle] = []
        self.cancelled: list[bytes] = []
        self.gate = asyncio.Event()
        self.fails = False
        self.listener = Listener(self._serve, Rejected(), LIMITS, DRAIN)
        self.server: Server
        self.socket = Socket()
        self.let_in: list[tuple[Connection, dict[str, Any]]] = []
        self._tls = tls

    async def start(self) -> "World":
        """Accept connections."""

        async def create_server(factory: Any, **given: Any) -> Server:
            self.server = Server(factory, given)
            return self.server

        async def connect_accepted_socket(factory: Any, sock: Accepted, **given: Any) -> None:
            assert not sock.blocking
            self.let_in.append((self.connect(factory)[0], given))

        clock().create_server = create_server  # type: ignore[method-assign, assignment]  # of this loop alone
        clock().connect_accepted_socket = connect_accepted_socket  # type: ignore[method-assign, assignment]
        await self.listener.start(cast(socket.socket, self.socket), self._tls)
        return self

    def connect(self, factory: Any = None, *, answers: bool = True) -> tuple[Connection, PoliteTransport]:
        """A new client."""
        connection = (factory or self.server.factory)()
        transport = PoliteTransport(connection, answers=answers)
        connection.connection_made(transport)
        return connection, transport

    async def _serve(self, cycle: RequestResponseCycle) -> None:
        self.cycles.append(cycle)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(cycle.target)
            if self.fails:
                raise
            return
        cycle.respond(200, [], b"ok")


@pytest.mark.parametrize("tls", [None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)])
def test_a_handshake_has_the_time_of_a_head(tls: ssl.SSLContext | None) -> None:
    async def main() -> None:
        given = (await World(tls).start()).server.given
        assert (given["ssl"], given["backlog"]) == (tls, BACKLOG)
        assert given["ssl_handshake_timeout"] == (None if tls is None else LIMITS.header_timeout)

    run(main())


def test_new_connections_get_the_new_limits_and_open_ones_keep_theirs() -> None:
    async def main() -> None:
        world = await World().start()
        old, _ = world.connect()
        world.listener.set_protocol(OTHER, DRAIN)
        new, _ = world.connect()
        for connection in (old, new):
            connection.data_received(get("/" + "x" * 100))
        assert [cycle.refusal is None for cycle in world.cycles] == []
        await settle()
        assert [cycle.refusal is None for cycle in world.cycles] == [True, False]
        assert len(world.listener.under_way()) == 2

    run(main())


def test_a_silent_connection_is_closed_once_its_time_is_over() -> None:
    async def main() -> None:
        world = await World().start()
        _, transport = world.connect()
        await asyncio.sleep(LIMITS.header_timeout - 0.5)
        assert transport.ended == ""
        await asyncio.sleep(2)
        assert transport.ended == "closed"

    run(main())


def test_a_drain_of_nothing_is_over_at_once_and_a_second_one_does_nothing() -> None:
    async def main() -> None:
        world = await World().start()
        before = clock().now()
        await world.listener.stop()
        await world.listener.stop()
        assert (clock().now() - before, world.server.closed) == (0.0, True)

    run(main())


def test_a_listener_that_never_started_stops() -> None:
    async def main() -> None:
        await World().listener.stop()

    run(main())


def test_an_idle_connection_is_left_a_while_for_a_request_that_is_on_its_way() -> None:
    async def main() -> None:
        world = await World().start()
        connection, transport = world.connect()
        world.gate.set()
        stopping = asyncio.create_task(world.listener.stop())
        await asyncio.sleep(IDLE_GRACE - 0.5)
        connection.data_received(get("/late"))
        await asyncio.sleep(0.1)
        assert b"connection: close\r\n\r\nok" in transport.written
        before = clock().now()
        await stopping
        assert clock().now() - before < IDLE_GRACE

    run(main())


def test_an_idle_connection_is_closed_after_the_grace() -> None:
    async def main() -> None:
        world = await World().start()
        _, transport = world.connect()
        before = clock().now()
        await world.listener.stop()
        assert clock().now() - before == pytest.approx(IDLE_GRACE, abs=0.1)
        assert transport.ended == "closed"

    run(main())


@pytest.mark.parametrize("unsent", [0, 100])
def test_a_client_that_answers_no_close_is_cut_unless_it_still_reads(unsent: int) -> None:
    async def main() -> None:
        world = await World().start()
        _, transport = world.connect(answers=False)
        transport.unsent = unsent
        before = clock().now()
        await world.listener.stop()
        waited = DRAIN if unsent else IDLE_GRACE + CLOSE_NOTIFY_TIMEOUT
        assert clock().now() - before == pytest.approx(waited, abs=0.1)

    run(main())


def test_a_request_under_way_ends_and_its_connection_with_it() -> None:
    async def main() -> None:
        world = await World().start()
        connection, transport = world.connect()
        connection.data_received(get("/"))
        clock().call_later(9.0, world.gate.set)
        before = clock().now()
        await world.listener.stop()
        assert b"connection: close\r\n\r\nok" in transport.written
        assert clock().now() - before == pytest.approx(9.0, abs=0.1)
        assert not world.cancelled

    run(main())


@pytest.mark.parametrize("fails", [False, True])
def test_a_request_that_outlives_the_drain_is_cancelled(fails: bool) -> None:
    async def main() -> None:
        world = await World().start()
        world.fails = fails
        connection, transport = world.connect()
        connection.data_received(get("/slow"))
        before = clock().now()
        await world.listener.stop()
        assert clock().now() - before == pytest.approx(DRAIN, abs=0.1)
        assert (world.cancelled, transport.ended) == ([b"/slow"], "closed")
        assert world.listener.under_way() == set()

    run(main())


def test_a_drain_waits_for_handshakes_that_no_protocol_knows_of() -> None:
    async def main() -> None:
        world = await World(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).start()
        before = clock().now()
        await world.listener.stop()
        assert clock().now() - before == pytest.approx(HANDSHAKE_SECONDS)

    run(main())


def test_while_a_drain_waits_for_handshakes_each_response_is_its_connections_last() -> None:
    async def main() -> None:
        world = await World(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).start()
        connection, transport = world.connect()
        world.gate.set()
        stopping = asyncio.create_task(world.listener.stop())
        await asyncio.sleep(HANDSHAKE_SECONDS / 2)
        connection.data_received(get("/"))
        await settle()
        assert b"connection: close" in transport.written
        await stopping

    run(main())


def test_a_socket_that_another_process_has_stopped_accepts_again() -> None:
    async def main() -> None:
        assert (await World().start()).socket.options != []

    run(main())


@pytest.mark.parametrize("tls", [None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)])
def test_what_waits_in_the_accept_queue_is_accepted_and_its_response_is_the_last(tls: ssl.SSLContext | None) -> None:
    async def main() -> None:
        world = await World(tls).start()
        world.gate.set()
        world.socket.waiting = [Accepted(), Accepted()]
        stopping = asyncio.create_task(world.listener.stop())
        while len(world.let_in) < 2:
            await asyncio.sleep(0)
        assert world.server.closed
        for connection, given in world.let_in:
            assert given["ssl"] is tls
            assert (given["ssl_handshake_timeout"] is None) is (tls is None)
            connection.data_received(get("/"))
        await settle()
        for connection, _ in world.let_in:
            assert b"connection: close" in cast(ClientTransport, connection.transport).written
        await stopping

    run(main())


def test_a_client_that_is_gone_before_it_is_accepted_does_not_end_the_drain() -> None:
    async def main() -> None:
        async def gone(*given: object, **more: object) -> None:
            raise ConnectionResetError

        world = await World().start()
        world.socket.waiting = [Accepted()]
        clock().connect_accepted_socket = gone  # type: ignore[method-assign, assignment]  # of this loop alone
        await world.listener.stop()
        assert world.server.closed

    run(main())
