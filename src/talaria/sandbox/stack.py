"""The simulated services and the gateway among them: the same stack for tests and for `talaria sandbox`."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from talaria.entrypoints.config import Address, Settings, load
from talaria.entrypoints.public.server.sockets import CannotListen, bind
from talaria.sandbox import fixtures
from talaria.sandbox.folder import SIGNING_KEY, SandboxFolder
from talaria.sandbox.issuer import SimulatedIssuer
from talaria.sandbox.partner import SimulatedPartner
from talaria.sandbox.personal import SimulatedPersonal
from talaria.sandbox.service import SimulatedService, check_loopback
from talaria.sandbox.talaria_services import SimulatedTalariaServices
from talaria.sandbox.toml_writer import merged
from talaria.sandbox.wind import SimulatedWind

if TYPE_CHECKING:
    from talaria.entrypoints.runtime.container import Container
    from talaria.entrypoints.runtime.gateway_server import GatewayServer

SERVICES: tuple[type[SimulatedService], ...] = (
    SimulatedPersonal,
    SimulatedWind,
    SimulatedTalariaServices,
    SimulatedIssuer,
)
"""In the order of their ports."""

DEFAULT_PORT = 8080
OPS_SHIFT = 1010
STDOUT = 1

MakeContainer = Callable[[Settings], "Container"]
"""For tests that swap parts of the gateway."""

S = TypeVar("S", bound=SimulatedService)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens; 0 lets the system choose."""

    gateway: int = 0
    ops: int = 0
    first_service: int = 0

    @classmethod
    def at(cls, port: int) -> "Ports":
        """The gateway at `port`, the services next to it, operators at +1010."""
        return cls(port, port + OPS_SHIFT, port + 1) if port else cls()

    def services(self, count: int) -> list[int]:
        """So many, in a row."""
        return [self.first_service and self.first_service + place for place in range(count)]


class Sandbox:
    """The simulated services, the files that the gateway starts from, and the gateway where it runs.

    `public_url` and `ops_url` are the gateway's; without one, where the configuration says that it will be.
    """

    def __init__(
        self, folder: SandboxFolder, host: str, ports: Ports, partners: Sequence[type[SimulatedPartner]]
    ) -> None:
        self.folder = folder
        self.host = host
        self.ports = ports
        self.services = [service.create(folder) for service in (*SERVICES, *partners)]
        self.public_url = self.ops_url = ""
        self.running: GatewayServer | None = None
        self._persons = 0

    def service(self, kind: type[S]) -> S:
        """The service of this class."""
        return next(service for service in self.services if isinstance(service, kind))

    @property
    def personal(self) -> SimulatedPersonal:
        """Maps ids to phone numbers."""
        return self.service(SimulatedPersonal)

    @property
    def wind(self) -> SimulatedWind:
        """The partner that the fixtures know."""
        return self.service(SimulatedWind)

    @property
    def talaria_services(self) -> SimulatedTalariaServices:
        """The upstream."""
        return self.service(SimulatedTalariaServices)

    @property
    def issuer(self) -> SimulatedIssuer:
        """Makes the callers' tokens."""
        return self.service(SimulatedIssuer)

    @property
    def config_path(self) -> Path:
        """The gateway's configuration."""
        return self.folder.config_path

    def token(self, personal_phone_id: str = fixtures.ANNA, **claims: Any) -> str:
        """A caller's token, good for 12 hours; `claims` are added, or taken away where they are None."""
        return self.issuer.token(personal_phone_id, **claims)

    def headers(self, personal_phone_id: str = fixtures.ANNA, tag: str = "wind") -> dict[str, str]:
        """What a client's request must have."""
        return {"x-api-tag": tag, "authorization": f"Bearer {self.token(personal_phone_id)}"}

    def add_persons(self, count: int) -> list[str]:
        """The ids of so many new persons, each with a phone number of their own. wind does not know them yet."""
        ids = [f"ppid-{number:07}" for number in range(self._persons, self._persons + count)]
        self.personal.phones.update({person: f"+999{person.removeprefix('ppid-')}" for person in ids})
        self._persons += count
        return ids

    def bind_services(self) -> None:
        """Take the addresses of the services: all of them or none. Raises CannotListen."""
        with ExitStack() as taken:
            for service, port in zip(self.services, self.ports.services(len(self.services)), strict=True):
                service.bind(self.host, port)
                taken.callback(service.release)
            taken.pop_all()

    def write_files(self, changes: Mapping[str, Any]) -> None:
        """The gateway's configuration; the services' addresses must be known."""
        self.folder.write_configuration(self._configuration(), changes)

    def _configuration(self) -> dict[str, Any]:
        tree: dict[str, Any] = {
            "server": {
                "listen": str(Address(self.host, self.ports.gateway)),
                "ops_listen": str(Address(self.host, self.ports.ops)),
                "drain_timeout": "2s",
            },
            "signing": {"keys": [{"kid": "sandbox", "file": SIGNING_KEY}]},
        }
        for service in self.services:
            tree = merged(tree, service.configuration())
        return tree

    async def start_gateway(self, access_descriptor: int = STDOUT, make_container: MakeContainer | None = None) -> None:
        """The gateway, in this event loop, from the files. Raises CannotListen, NotLoopback, ConfigurationError."""
        from talaria.entrypoints.runtime import process  # a stack without a gateway needs none of it

        settings = load(self.config_path, environ={})
        for address in (settings.server.listen, settings.server.ops_listen):
            check_loopback(address.host)
        container = make_container(settings) if make_container else None
        self.running = await process.start(settings, container=container, access_descriptor=access_descriptor)
        self.expect_gateway(self.running.public_url, self.running.ops_url)

    def expect_gateway(self, public_url: str, ops_url: str) -> None:
        """This is where the gateway is: talaria-services trusts its key set."""
        self.public_url, self.ops_url = public_url, ops_url
        self.talaria_services.token_check.jwks_url = f"{public_url}/.well-known/jwks.json"

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
async def running_sandbox(
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    gateway: bool = True,
    folder: Path | None = None,
    config: Mapping[str, Any] | None = None,
    access_descriptor: int = STDOUT,
    make_container: MakeContainer | None = None,
    partners: Sequence[type[SimulatedPartner]] = (),
) -> AsyncIterator[Sandbox]:
    """A running sandbox, all of it stopped at the end; without a `folder` its files go too.

    `port` is the gateway's, the others follow from it (see Ports); 0: free ones. `config` is laid over the
    configuration before it is written (None takes a key away). Without `gateway` only the services run. `partners` run
    beside wind.
    Raises NotLoopback, CannotListen, ForeignFolder or ConfigurationError.
    """
    check_loopback(host)
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="talaria-sandbox-")))
        ports = Ports.at(port)
        if not gateway and not port:
            ports = replace(ports, gateway=free_port(host), ops=free_port(host))
        sandbox = Sandbox(SandboxFolder(folder), host, ports, partners)
        sandbox.bind_services()
        for service in sandbox.services:
            stack.callback(service.release)  # whatever becomes of the start
        for service in sandbox.services:
            await service.start()
            stack.push_async_callback(service.stop)
        sandbox.write_files(config or {})
        stack.push_async_callback(sandbox.stop_gateway)
        if gateway:
            await sandbox.start_gateway(access_descriptor, make_container)
        else:
            sandbox.expect_gateway(*(f"http://{Address(host, at)}" for at in (ports.gateway, ports.ops)))
        yield sandbox


def next_free_port(host: str, more: int) -> int:
    """The first port from DEFAULT_PORT on, in steps of ten, with a free row of ports; 0 where none of ten has one.

    The row is for `more` services than SERVICES.

    Raises NotLoopback.
    """
    check_loopback(host)
    steps = range(DEFAULT_PORT, DEFAULT_PORT + 100, 10)
    return next((port for port in steps if _is_free(host, Ports.at(port), len(SERVICES) + more)), 0)


def _is_free(host: str, ports: Ports, services: int) -> bool:
    try:
        for port in {ports.gateway, ports.ops, *ports.services(services)}:
            bind(Address(host, port), "sandbox").close()
    except CannotListen:
        return False
    return True


def free_port(host: str) -> int:
    """A port on which nothing listens, for a program that takes it later; 0 where none of a hundred is free.

    Linux gives connections the ports from 32768 on, so that none of them takes this one meanwhile.
    """
    ports = (10_000 + secrets.randbelow(22_768) for _ in range(100))
    return next((port for port in ports if _is_free(host, Ports(port, port), 0)), 0)
