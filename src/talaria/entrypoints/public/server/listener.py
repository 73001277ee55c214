"""One HTTP listener: uvicorn's server without its signal handling, with our sweep and our drain."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from talaria.adapters.http1.write_batcher import Outbox
from talaria.entrypoints.public.early import EarlyEnds
from talaria.entrypoints.public.server.connection import Connection
from talaria.entrypoints.public.server.cycle import App
from talaria.entrypoints.public.server.framing import Limits
from talaria.entrypoints.public.server.pipeline import unsent_to
from talaria.entrypoints.public.server.sockets import accepted, resume_accepting, stop_accepting

HANDSHAKE = 0.2
"""How long a drain waits for those who are connected and still agree on keys: nothing says that they are there."""

_HANDSHAKE_LIMIT = 2.0
_FAREWELL = 1.0
"""How long a drain waits for the goodbye (TLS) of a client that has all that was said to it, and reads nothing now."""
IDLE_GRACE = 2.0
"""How long a drain leaves idle kept connections open, for a request that is on its way already."""


class Listener(uvicorn.Server):
    """Serves an app on one socket until `stop`."""

    def __init__(self, app: Any, http: Any, drain_timeout: float, idle_grace: float) -> None:
        config = uvicorn.Config(
            app,
            http=http,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        super().__init__(config)
        self._drain_timeout = drain_timeout
        self._idle_grace = idle_grace
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections from now on; with `tls` they are encrypted."""
        self.config.load()
        self.config.ssl = tls
        self.lifespan = self.config.lifespan_class(self.config)
        resume_accepting(listener)
        await self.startup([listener])
        self._socket = listener
        self._task = asyncio.create_task(self._sweep())

    def adopt(self, http: Any, drain_timeout: float) -> None:
        """Speak to new connections by this protocol; those that are open go on as they began."""
        self.config.http_protocol_class = http
        self._drain_timeout = drain_timeout

    def under_way(self) -> "set[asyncio.Task[None]]":
        """The requests of this moment."""
        return set(self.server_state.tasks)

    async def stop(self) -> None:
        """Drain: nothing new is accepted, what is in flight ends, within the drain timeout. Then close everything."""
        if self._task is None:
            return
        self._task.cancel()
        self.server_state.draining = True  # type: ignore[attr-defined]
        connections = self.server_state.connections
        try:
            async with asyncio.timeout(self._drain_timeout):
                self._tell_all()
                await self._close_the_door()
                self._tell_all()  # those who were let in
                await self._drained()
        except TimeoutError:
            for task in list(self.server_state.tasks):
                task.cancel()
            await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
        for connection in list(connections):
            _close(connection)
        self._task = None

    def _tell_all(self) -> None:
        for connection in list(self.server_state.connections):
            connection.shutdown()

    async def _close_the_door(self) -> None:
        """Accept nothing new. Who is connected already, and not yet accepted, would be reset: he is let in first."""
        if self._socket is None:
            return
        await stop_accepting(self._socket)
        waiting = _waiting_at(self._socket)
        for server in self.servers:
            server.close()
        await accepted()  # uvloop has gone on until here
        loop = asyncio.get_running_loop()
        tls, patience = self.config.ssl, None if self.config.ssl is None else _HANDSHAKE_LIMIT
        letting_in = [
            loop.connect_accepted_socket(self._protocol, connection, ssl=tls, ssl_handshake_timeout=patience)
            for connection in waiting
        ]
        await asyncio.gather(*letting_in, return_exceptions=True)  # some are gone again
        if tls is not None:
            await asyncio.sleep(HANDSHAKE)

    def _protocol(self) -> asyncio.Protocol:
        make = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def _drained(self) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + self._idle_grace
        closed: dict[Any, float] = {}
        while self.server_state.connections:
            for connection in list(self.server_state.connections):
                idle = connection.is_idle() if isinstance(connection, Connection) else not self.server_state.tasks
                now = loop.time()
                if not idle or now < patience:
                    continue
                if connection not in closed:
                    closed[connection] = now
                    _close(connection)
                elif now - closed[connection] > _FAREWELL and not unsent_to(connection.transport):
                    connection.transport.abort()
            await asyncio.sleep(0.02)
        while self.server_state.tasks:
            await asyncio.sleep(0.02)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            now = loop.time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.look_over(now)


def _close(connection: Any) -> None:
    if isinstance(connection, Connection):
        connection.close_now()
    elif connection.transport is not None:
        connection.transport.close()


def _waiting_at(listener: socket.socket) -> list[socket.socket]:
    waiting = []
    with suppress(OSError):  # no more
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            waiting.append(connection)
    return waiting


def protocol(limits: Limits, serve: App, early: EarlyEnds) -> Callable[..., asyncio.Protocol]:
    """What uvicorn calls for each new connection."""
    outbox = Outbox()

    def build(
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> Connection:
        return Connection(
            limits, serve, early, outbox, config=config, server_state=server_state, app_state=app_state, _loop=_loop
        )

    return build


def public_listener(app: App, limits: Limits, early: EarlyEnds, drain_timeout: float) -> Listener:
    """The listener that clients call."""
    return Listener(app, protocol(limits, app, early), drain_timeout, IDLE_GRACE)


def plain_listener(app: Any) -> Listener:
    """A listener for people and tools of our own: uvicorn as it is."""
    return Listener(app, "httptools", 1.0, 0.0)
