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

from talaria.entrypoints.public.server.sockets import accepted, resume_accepting, stop_accepting

_POLL_SECONDS = 0.01


class _Server(uvicorn.Server):
    """Leaves the signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class AsgiListener:
    """Serves `app` on one socket until `stop`, which leaves requests in flight `drain_seconds` to end.

    `http` is uvicorn's setting of the name: a protocol, or its class; `settings` are further ones.
    """

    def __init__(self, app: Any, http: Any = "httptools", drain_seconds: float = 1.0, **settings: Any) -> None:
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
            **settings,
        )
        self._server = _Server(config)
        self._drain_seconds = drain_seconds
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket) -> None:
        """Answer requests from now on. Raises what uvicorn can't start for."""
        resume_accepting(listening)
        self._socket = listening
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not (self._server.started or self._serving.done()):
            await asyncio.sleep(0)
        if not self._server.started:
            await self._serving

    async def stop(self) -> None:
        """Accept nothing new, let what is in flight end, then close everything."""
        if self._serving is None or self._socket is None:
            return
        await stop_accepting(self._socket)
        state = self._server.server_state
        for server in self._server.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                while state.connections or state.tasks:
                    await asyncio.sleep(_POLL_SECONDS)
        for connection in list(state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await accepted()  # the requests that were cut hear of it, and end
        tasks = [*state.tasks, self._serving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()
