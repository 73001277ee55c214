"""The public listener: accepts connections on one socket, enforces their timeouts, and drains."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

from talaria.entrypoints.public.problems import RejectedHeads
from talaria.entrypoints.public.server.connection import Connection, ListenerState
from talaria.entrypoints.public.server.cycle import App
from talaria.entrypoints.public.server.fast_connection import FastConnection, Sender
from talaria.entrypoints.public.server.framing import ConnectionLimits
from talaria.entrypoints.public.server.sockets import (
    BACKLOG,
    accept_waiting,
    accepted,
    resume_accepting,
    stop_accepting,
    unsent_bytes,
)

HANDSHAKE_SECONDS: Final = 0.2
"""How long a drain waits for connections that are in their TLS handshake: no protocol knows of them yet."""
_DRAIN_HANDSHAKE_LIMIT: Final = 2.0
CLOSE_NOTIFY_TIMEOUT: Final = 1.0
"""How long a drain waits for the peer's close_notify after everything was flushed, in seconds."""
IDLE_GRACE: Final = 2.0
"""How long a drain leaves idle kept connections open, for a request that is on its way already."""
_POLL_SECONDS: Final = 0.02


class Listener:
    """Serves `app` on one socket until `stop`. `drain_timeout` in seconds; `admit` gives whether a peer may connect."""

    def __init__(
        self,
        app: App,
        rejected: RejectedHeads,
        limits: ConnectionLimits,
        drain_timeout: float,
        idle_grace: float = IDLE_GRACE,
        admit: Callable[[str], bool] = lambda peer: True,
        fast_path: Sender | None = None,
    ) -> None:
        self.set_protocol(limits, drain_timeout)
        self._app = app
        self._fast_path = fast_path
        self._rejected = rejected
        self._idle_grace = idle_grace
        self._state = ListenerState(admit)
        self._tls: ssl.SSLContext | None = None
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections from now on; with `tls` they are encrypted, and a handshake has the `header_timeout`."""
        loop = asyncio.get_running_loop()
        resume_accepting(listening)
        self._socket, self._tls = listening, tls
        patience = None if tls is None else self._limits.header_timeout
        self._server = await loop.create_server(
            self._connect, sock=listening, ssl=tls, ssl_handshake_timeout=patience, backlog=BACKLOG
        )
        self._sweeping = asyncio.create_task(self._sweep())

    def set_protocol(self, limits: ConnectionLimits, drain_timeout: float) -> None:
        """New connections get these limits; those that are open go on as they began."""
        self._limits = limits
        self._drain_timeout = drain_timeout

    def under_way(self) -> set[asyncio.Task[None]]:
        """The requests of this moment. Those on the fast path leave it."""
        for connection in list(self._state.connections):
            connection.leave_fast_path()
        return set(self._state.tasks)

    async def stop(self) -> None:
        """Drain: accept nothing new, let what is in flight end within the drain timeout, then close everything."""
        if self._sweeping is None or self._socket is None or self._server is None:
            return
        self._sweeping.cancel()
        self._sweeping = None
        try:
            async with asyncio.timeout(self._drain_timeout):
                self._begin_drain()
                await self._stop_accepting(self._socket, self._server)
                self._begin_drain()  # also on the connections that were accepted meanwhile
                await self._drained()
        except TimeoutError:
            tasks = list(self._state.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.close_gracefully()

    def _connect(self) -> Connection:
        parts = (self._limits, self._app, self._rejected, self._state)
        return Connection(*parts) if self._fast_path is None else FastConnection(*parts, self._fast_path)

    def _begin_drain(self) -> None:
        self._state.draining = True
        for connection in list(self._state.connections):
            connection.begin_drain()

    async def _stop_accepting(self, listening: socket.socket, server: asyncio.Server) -> None:
        """Connections in the accept queue would be reset: accept them before closing."""
        await stop_accepting(listening)
        waiting = accept_waiting(listening)
        server.close()
        await accepted()  # uvloop has gone on until here
        loop = asyncio.get_running_loop()
        patience = None if self._tls is None else _DRAIN_HANDSHAKE_LIMIT
        accepting = [
            loop.connect_accepted_socket(self._connect, sock, ssl=self._tls, ssl_handshake_timeout=patience)
            for sock in waiting
        ]
        await asyncio.gather(*accepting, return_exceptions=True)  # some are gone again
        if self._tls is not None:
            await asyncio.sleep(HANDSHAKE_SECONDS)

    async def _drained(self) -> None:
        loop = asyncio.get_running_loop()
        grace_ends = loop.time() + self._idle_grace
        closed: dict[Connection, float] = {}
        while self._state.connections:
            now = loop.time()
            for connection in list(self._state.connections):
                if not connection.is_idle or now < grace_ends:
                    continue
                if connection not in closed:
                    closed[connection] = now
                    connection.close_gracefully()
                elif now - closed[connection] > CLOSE_NOTIFY_TIMEOUT and not unsent_bytes(connection.transport):
                    connection.abort(reset=False)
            await asyncio.sleep(_POLL_SECONDS)
        while self._state.tasks:
            await asyncio.sleep(_POLL_SECONDS)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            now = loop.time()
            for connection in list(self._state.connections):
                connection.enforce_timeouts(now)
