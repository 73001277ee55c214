"""An ASGI application behind uvicorn, on one socket inside this process's event loop.

For our own people and tools: the operators' listener, and the sandbox's services. Only uvicorn's documented API is used
(`Config`, `Server.serve`, `should_exit`), so any version from the lower bound on will do. Signals, logs and lifespan
stay with the process.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from talaria.entrypoints.public.server.sockets import resume_accepting, stop_accepting

_DRAIN_SECONDS = 1


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
            timeout_graceful_shutdown=_DRAIN_SECONDS,
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
        self._server.should_exit = True
        await self._serving
