"""An ASGI application behind uvicorn, on one socket inside this process's event loop.

For our own people and tools: the operators' listener, and the sandbox's services. Signals, logs and lifespan stay with
the process. uvicorn starts by its documented API. To stop by it (`should_exit`) takes a fifth of a second of fixed
pauses, so `stop` goes by what a `Server` shows of itself: `servers` and `server_state`. pyproject.toml bounds the
version for that.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from talaria.entrypoints.public.server.sockets import resume_accepting, stop_accepting

_DRAIN_SECONDS = 1.0
_POLL_SECONDS = 0.01


class _Server(uvicorn.Server):
    """Leaves the signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class AsgiListener:
    """Serves `app` on one socket until `stop`. `http` is uvicorn's setting of the name: a protocol, or its class."""

    def __init__(self, app: Any, http: Any = "httptools") -> None:
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
        )
        self._server = _Server(config)
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket) -> None:
        """Answer requests from now on."""
        resume_accepting(listening)
        self._socket = listening
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not (self._server.started or self._serving.done()):
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Accept nothing new, give what is in flight a second to end, then close everything."""
        if self._serving is None or self._socket is None:
            return
        await stop_accepting(self._socket)
        state = self._server.server_state
        for server in self._server.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while state.connections or state.tasks:
                    await asyncio.sleep(_POLL_SECONDS)
        tasks = [*state.tasks, self._serving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        self._socket.close()
