"""A Litestar app behind uvicorn inside this process's event loop, with none of uvicorn's signals, logs or waiting."""

import asyncio
import socket
from typing import Any, cast

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talaria.entrypoints.public.server.sockets import stop_accepting


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, telling the app three things more, in the scope's extensions as `sandbox`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.gone = asyncio.get_running_loop().create_future()

    def on_headers_complete(self) -> None:
        """Freeze the headers (uvicorn would add the trailers to them) and hand over what ASGI has no word for."""
        scope = cast(dict[str, Any], self.scope)
        scope["headers"] = list(self.headers)
        scope["extensions"] = {"sandbox": Line(self.url, self.transport, self.gone)}
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over; `gone` is done if an answer was still due."""
        due = bool(self.cycle) and not self.cycle.response_complete
        super().connection_lost(exc)
        if due:
            self.gone.set_result(None)


class Line:
    """The connection under a request: its raw `target`, its `transport`, and a future that is done once it is lost."""

    def __init__(self, target: bytes, transport: asyncio.Transport, gone: "asyncio.Future[None]") -> None:
        self.target = target
        self.transport = transport
        self.gone = gone


class Listener:
    """One running server."""

    def __init__(self, app: Any, listening: socket.socket) -> None:
        config = Config(
            app, http=Connection, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False
        )
        config.load()
        self._socket = listening
        self._server = Server(config)
        self._server.lifespan = config.lifespan_class(config)

    async def start(self) -> None:
        """Answer requests from now on."""
        await self._server.startup([self._socket])
        await self._server.on_tick(0)
        self._ticking = asyncio.create_task(self._server.main_loop())

    async def stop(self) -> None:
        """Close everything at once: who is still being served sees a reset."""
        self._ticking.cancel()
        await stop_accepting(self._socket)
        for server in self._server.servers:
            server.close()
        self._socket.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(self._ticking, *self._server.server_state.tasks, return_exceptions=True)
