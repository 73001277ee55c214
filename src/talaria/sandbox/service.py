"""What all simulated services have in common: a server, a script of faults and a memory of requests."""

import ipaddress
import socket
from typing import Any

from litestar import Litestar, Request, Router, get, put
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import JSONBody

from talaria.entrypoints.public.server.sockets import bind, url_of
from talaria.sandbox import errors
from talaria.sandbox.fault_injection import Door
from talaria.sandbox.faults import Faults, Script
from talaria.sandbox.listener import Listener
from talaria.sandbox.request_log import Recording


class NotLoopback(ValueError):
    """The sandbox's keys and secrets are toys: it listens on loopback only."""


def check_loopback(host: str) -> None:
    """Raises NotLoopback for anything but a numeric loopback address."""
    try:
        allowed = ipaddress.ip_address(host).is_loopback
    except ValueError:
        allowed = False
    if not allowed:
        raise NotLoopback(f"the sandbox listens on loopback only (127.0.0.1 or ::1), not on {host}")


class Service:
    """A simulated service. Subclasses give `name` and `routes`; handlers find the instance in
    `app.state.service`.

    `requests` remembers what came. Assign to `faults` to change how it misbehaves from the next request on.
    """

    name = ""
    routes: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self.requests = Recording()
        self.url = ""
        self._script = Script()

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self._script.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._script.set(faults)

    def bind(self, host: str, port: int) -> None:
        """Take the address; `url` is known from now on. Raises NotLoopback, or CannotListen for a taken port."""
        check_loopback(host)
        self._socket = bind(host, port, f"sandbox {self.name}")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = url_of(self._socket)

    async def start(self) -> None:
        """Answer requests from now on; `bind` comes first."""
        self._listener = Listener(Door(self._app(), self.requests, self._script), self._socket)
        await self._listener.start()

    async def stop(self) -> None:
        """Close the listener and cut every connection."""
        await self._listener.stop()

    def release(self) -> None:
        """Give up an address that was bound and never served."""
        self._socket.close()

    def _app(self) -> Litestar:
        control = Router("/_sandbox", route_handlers=[_read_faults, _write_faults])
        return Litestar(
            [*self.routes, control],
            state=State({"service": self}, deep_copy=False),
            exception_handlers={HTTPException: errors.render},
            openapi_config=None,
            logging_config=None,
            request_max_body_size=None,
        )


@get("/faults", sync_to_thread=False)
def _read_faults(request: Request[Any, Any, Any]) -> Faults:
    service: Service = request.app.state.service
    return service.faults


@put("/faults", sync_to_thread=False)
def _write_faults(request: Request[Any, Any, Any], data: JSONBody[Faults]) -> Faults:
    service: Service = request.app.state.service
    service.faults = data
    return data
