"""What all simulated services have in common: a server, a script of faults and a log of requests."""

import ipaddress
import socket
from typing import Any, Self

import msgspec
from litestar import Litestar, Request, Router, get, put
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from talaria.entrypoints.config import Address
from talaria.entrypoints.public.server.sockets import bind, url_of
from talaria.sandbox.certificates import MutualTls
from talaria.sandbox.fault_injection import FaultInjection
from talaria.sandbox.faults import Faults, FaultScript
from talaria.sandbox.folder import SandboxFolder
from talaria.sandbox.request_log import RequestLog
from talaria.sandbox.service_errors import ServiceError, render_service_error
from talaria.sandbox.service_listener import service_listener


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


class SimulatedService:
    """Subclasses give `name`, `summary` (what the gateway asks it for) and `routes`; handlers find the instance in
    `app.state.service`.

    `requests` is the log of what came. Assign to `faults` to change how it misbehaves from the next request on. With
    `tls`, which is set before `bind`, it demands our certificate.
    """

    name = ""
    summary = ""
    routes: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self.requests = RequestLog()
        self.url = ""
        self.tls: MutualTls | None = None
        self._script = FaultScript()

    @classmethod
    def create(cls, folder: SandboxFolder) -> Self:
        """One with the keys and secrets of the folder."""
        raise NotImplementedError  # a partner's own server beside it needs none

    def configuration(self) -> dict[str, Any]:
        """The gateway's configuration of this service, as tables; `url` must be known."""
        raise NotImplementedError  # a partner's own server beside it needs none

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
        self._socket = bind(Address(host, port), f"sandbox {self.name}")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = url_of(self._socket, "https" if self.tls else "http")

    async def start(self) -> None:
        """Answer requests from now on; `bind` comes first."""
        settings = self.tls.server_settings() if self.tls else {}
        self._listener = service_listener(FaultInjection(self._app(), self.requests, self._script), **settings)
        await self._listener.start(self._socket)

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
            exception_handlers={HTTPException: render_service_error},
            openapi_config=None,
            logging_config=None,
            request_max_body_size=None,
        )


@get("/faults", sync_to_thread=False)
def _read_faults(request: Request[Any, Any, Any]) -> Faults:
    service: SimulatedService = request.app.state.service
    return service.faults


@put("/faults")
async def _write_faults(request: Request[Any, Any, Any]) -> Faults:
    service: SimulatedService = request.app.state.service
    try:
        service.faults = msgspec.json.decode(await request.body(), type=Faults)
    except msgspec.MsgspecError as error:
        raise ServiceError(400, "bad_faults", f"{error}. GET /_sandbox/faults shows every field.") from None
    return service.faults
