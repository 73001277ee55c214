"""The whole world round the gateway, and the gateway in it: the same for tests and for `talaria sandbox`."""

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talaria.entrypoints.config import Address, Settings, load
from talaria.entrypoints.public.server.sockets import bind
from talaria.sandbox import files
from talaria.sandbox import fixtures as people
from talaria.sandbox.issuer import Issuer
from talaria.sandbox.personal import Personal
from talaria.sandbox.service import Service, check_loopback
from talaria.sandbox.talaria_services import TalariaServices
from talaria.sandbox.wind import Wind

if TYPE_CHECKING:
    from talaria.entrypoints.runtime.container import Container
    from talaria.entrypoints.runtime.gateway_server import GatewayServer

DEFAULT_PORT = 8080
OPS_SHIFT = 1010
STDOUT = 1
PERSONAL_TOKEN, WIND_API_KEY, TALARIA_SERVICES_API_KEY = "personal-token", "wind-api-key", "talaria-services-api-key"

MakeContainer = Callable[[Settings], "Container"]
"""For tests that swap parts of the gateway."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens; 0 lets the system choose."""

    gateway: int = 0
    ops: int = 0
    services: tuple[int, int, int, int] = (0, 0, 0, 0)

    @classmethod
    def at(cls, port: int) -> "Ports":
        """The gateway at `port`, personal, wind, talaria-services and issuer next to it, operators at +1010."""
        if port == 0:
            return cls()
        return cls(port, port + OPS_SHIFT, (port + 1, port + 2, port + 3, port + 4))


class World:
    """The simulated services, the files that the gateway starts from, and the gateway where it runs.

    `public_url` and `ops_url` are the gateway's; without one, where the configuration says that it will be.
    """

    def __init__(self, folder: Path, host: str, ports: Ports) -> None:
        caller_key = files.write_keys(folder)
        self.folder = folder
        self.host = host
        self.ports = ports
        self.personal = Personal(files.secret(folder, PERSONAL_TOKEN))
        self.wind = Wind(files.secret(folder, WIND_API_KEY))
        self.services = TalariaServices(files.secret(folder, TALARIA_SERVICES_API_KEY))
        self.issuer = Issuer(key=caller_key)
        self.public_url = self.ops_url = ""
        self.running: GatewayServer | None = None
        self._persons = 0

    @property
    def config_path(self) -> Path:
        """The gateway's configuration."""
        return self.folder / files.CONFIG

    @property
    def all_services(self) -> tuple[Service, Service, Service, Service]:
        """personal, wind, talaria-services, issuer."""
        return self.personal, self.wind, self.services, self.issuer

    def token(self, personal_phone_id: str = people.ANNA, **claims: Any) -> str:
        """A caller's token, good for 12 hours; `claims` are added, or taken away where they are None."""
        return self.issuer.token(personal_phone_id, **claims)

    def headers(self, personal_phone_id: str = people.ANNA, tag: str = "wind") -> dict[str, str]:
        """What a client's request must have."""
        return {"x-api-tag": tag, "authorization": f"Bearer {self.token(personal_phone_id)}"}

    def add_persons(self, count: int) -> list[str]:
        """The ids of so many new persons, each with a phone number of their own. wind does not know them yet."""
        ids = [f"ppid-{number:07}" for number in range(self._persons, self._persons + count)]
        self.personal.phones.update({person: f"+999{person.removeprefix('ppid-')}" for person in ids})
        self._persons += count
        return ids

    def bind_services(self) -> None:
        """Take the addresses of the four services: all of them or none. Raises CannotListen."""
        with ExitStack() as taken:
            for service, port in zip(self.all_services, self.ports.services, strict=True):
                service.bind(self.host, port)
                taken.callback(service.release)
            taken.pop_all()

    def write_files(self, changes: Mapping[str, Any]) -> None:
        """The gateway's configuration; the services' addresses must be known."""
        files.write_configuration(self.folder, _configuration(self), changes)

    async def start_gateway(self, access_descriptor: int = STDOUT, make_container: MakeContainer | None = None) -> None:
        """The gateway, in this event loop, from the files. Raises CannotListen, NotLoopback, ConfigurationError."""
        from talaria.entrypoints.runtime import process as serve  # the world without a gateway needs none of it

        settings = load(self.config_path, environ={})
        _check_free(settings.server.listen, "server.listen")
        _check_free(settings.server.ops_listen, "server.ops_listen")
        container = make_container(settings) if make_container else None
        self.running = await serve.start(settings, container=container, access_descriptor=access_descriptor)
        self.expect_gateway(self.running.public_url, self.running.ops_url)

    def expect_gateway(self, public_url: str, ops_url: str) -> None:
        """This is where the gateway is: talaria-services trusts its key set."""
        self.public_url, self.ops_url = public_url, ops_url
        self.services.token_check.jwks_url = f"{public_url}/.well-known/jwks.json"

    def flush_access_lines(self) -> None:
        """Have the gateway write the lines that still wait."""
        if self.running is not None:
            self.running.process.access_log().flush()

    async def stop_gateway(self) -> None:
        """Drain and stop it, if it runs."""
        running, self.running = self.running, None
        if running is not None:
            await running.stop()


@asynccontextmanager
async def sandbox_world(
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    gateway: bool = True,
    folder: Path | None = None,
    config: Mapping[str, Any] | None = None,
    access_descriptor: int = STDOUT,
    make_container: MakeContainer | None = None,
) -> AsyncIterator[World]:
    """A running world, all of it stopped at the end; without a `folder` its files go too.

    `port` is the gateway's, the others follow from it (see Ports); 0: free ones. `config` is laid over the
    configuration before it is written (None takes a key away). Without `gateway` only the services run.
    Raises NotLoopback, CannotListen, NotOurs or ConfigurationError.
    """
    check_loopback(host)
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="talaria-sandbox-")))
        ports = Ports.at(port)
        if not gateway and not port:
            ports = replace(ports, gateway=_free_port(host), ops=_free_port(host))
        world = World(folder, host, ports)
        world.bind_services()
        for service in world.all_services:
            stack.callback(service.release)  # whatever becomes of the start
        for service in world.all_services:
            await service.start()
            stack.push_async_callback(service.stop)
        world.write_files(config or {})
        stack.push_async_callback(world.stop_gateway)
        if gateway:
            await world.start_gateway(access_descriptor, make_container)
        else:
            world.expect_gateway(_url(host, world.ports.gateway), _url(host, world.ports.ops))
        yield world


def _configuration(world: World) -> dict[str, Any]:
    personal, wind, services, issuer = world.personal, world.wind, world.services, world.issuer
    return {
        "server": {
            "listen": _authority(world.host, world.ports.gateway),
            "ops_listen": _authority(world.host, world.ports.ops),
            "drain_timeout": "2s",
        },
        "callers": {
            "app": {
                "issuer": issuer.issuer,
                "audience": issuer.audience,
                "algorithms": ["ES256"],
                "jwks_url": f"{issuer.url}/.well-known/jwks.json",
            }
        },
        "signing": {"keys": [{"kid": "sandbox", "file": files.SIGNING_KEY}]},
        "personal": {"url": personal.url, "token": _secret(PERSONAL_TOKEN)},
        "partners": {"wind": {"url": wind.url, "api_key": _secret(WIND_API_KEY)}},
        "upstreams": {
            services.name: {
                "urls": [services.url],
                "api_key": _secret(TALARIA_SERVICES_API_KEY),
            }
        },
        "routes": {"wind": {"partner": "wind", "upstream": services.name, "callers": ["app"]}},
    }


def _secret(name: str) -> dict[str, str]:
    return {"file": files.secret_file(name)}


def _check_free(address: Address, setting: str) -> None:
    """The gateway's own sockets may share a port with another gateway's; in a sandbox that would be a mistake."""
    check_loopback(address.host)
    bind(address.host, address.port, setting).close()


def _free_port(host: str) -> int:
    with bind(host, 0, "server") as found:
        return int(found.getsockname()[1])


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(host: str, port: int) -> str:
    return f"http://{_authority(host, port)}"
