"""The listener of one simulated service: uvicorn, with a protocol that also tells the app of the connection."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talaria.entrypoints.ops.listener import AsgiListener


class ObservedConnection(HttpToolsProtocol):
    """uvicorn's protocol, telling the app three things more, in the scope's extensions as `sandbox`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # narrowed by uvicorn
        """A client has connected."""
        super().connection_made(transport)
        self.gone = asyncio.get_running_loop().create_future()

    def on_headers_complete(self) -> None:
        """Freeze the headers (uvicorn would add the trailers to them) and hand over what ASGI has no word for."""
        scope = cast(dict[str, Any], self.scope)
        scope["headers"] = list(self.headers)
        scope["extensions"] = {"sandbox": ConnectionInfo(self.url, self.transport, self.gone)}
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over; `gone` is done if an answer was still due."""
        due = bool(self.cycle) and not self.cycle.response_complete
        super().connection_lost(exc)
        if due:
            self.gone.set_result(None)


class ConnectionInfo:
    """The connection under a request: its raw `target`, its `transport`, and a future that is done once it is lost."""

    def __init__(self, target: bytes, transport: asyncio.Transport, gone: "asyncio.Future[None]") -> None:
        self.target = target
        self.transport = transport
        self.gone = gone


def service_listener(app: Any, **settings: Any) -> AsgiListener:
    """A listener for one service, with these settings of uvicorn. `stop` cuts every connection at once."""
    return AsgiListener(app, http=ObservedConnection, drain_seconds=0.0, **settings)
