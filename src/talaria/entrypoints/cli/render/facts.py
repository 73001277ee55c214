"""What the engines need to know of talaria.toml and of the command line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from talaria.entrypoints.config import Address, Settings
from talaria.entrypoints.config.settings import TlsSettings
from talaria.entrypoints.config.types import ip_of

_DECISION_MARGIN = 0.5
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is. `host` has no brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Endpoint":
        """The scheme, host and port of a URL."""
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The scheme, host and port, always all three."""
        return f"{self.scheme}://{self}"

    @property
    def is_ip(self) -> bool:
        """Is the host an address, and no name?"""
        return ip_of(self.host) is not None

    @property
    def word(self) -> str:
        """As a name of letters, digits, dots and dashes."""
        return re.sub(r"[^A-Za-z0-9_.-]", "_", str(self))

    @property
    def authority(self) -> str:
        """As `Host` has it: without the scheme's own port."""
        return str(self) if self.port != _DEFAULT_PORTS[self.scheme] else str(self).rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class EdgeUpstream:
    """An upstream that an edge forwards to, and the tags of its routes. `url`: under the name that an edge gives it."""

    name: str
    endpoints: tuple[Endpoint, ...]
    tags: tuple[str, ...]
    tls: TlsSettings

    @property
    def url(self) -> str:
        return f"{self.endpoints[0].scheme}://upstream_{self.name}"

    @property
    def host(self) -> str:
        return self.endpoints[0].host

    @property
    def authority(self) -> str:
        return self.endpoints[0].authority

    @property
    def secure(self) -> bool:
        """Is it spoken to over TLS?"""
        return self.endpoints[0].scheme == "https"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a template is filled with. Times in seconds, sizes in bytes.

    `claims`: the path of the person's claim, by issuer. `decisions` is empty where the file has no decision listener.
    `user_id_headers`: of all partners. `fast`: an edge keeps a yes for `decision.max_age`.
    """

    command: str
    settings: Settings
    listen: Address
    gateways: tuple[Endpoint, ...]
    decisions: tuple[Endpoint, ...]
    script: str
    fast: bool

    @property
    def claims(self) -> dict[str, str]:
        callers = self.settings.callers.values()
        return {caller.issuer: caller.phone_id_claim for caller in callers if caller.api_key is None}

    @property
    def user_id_headers(self) -> list[str]:
        return [partner.user_id_header for partner in self.settings.partners.values()]

    @property
    def dropped(self) -> list[str]:
        """Headers that no upstream gets from a client, beside those that are set anew."""
        baggage = ["baggage"] if self.settings.tracing.baggage == "drop" else []
        return ["keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "http2-settings", *baggage]

    @property
    def upstreams(self) -> list[EdgeUpstream]:
        """Those that a route leads to."""
        found = []
        for name, upstream in self.settings.upstreams.items():
            tags = tuple(tag for tag, route in self.settings.routes.items() if route.upstream == name)
            if tags:
                found.append(EdgeUpstream(name, tuple(map(Endpoint.of, upstream.urls)), tags, upstream.tls))
        return found

    @property
    def connect_timeout(self) -> float:
        """For every upstream."""
        return max(upstream.connect_timeout for upstream in self.settings.upstreams.values())

    @property
    def read_timeout(self) -> float:
        """The longest that any route lets an upstream be silent."""
        return max(max(route.timeout, route.idle_timeout) for route in self.settings.routes.values())

    @property
    def decision_timeout(self) -> float:
        """Time for an exchange by both hops, and a little."""
        partners = (partner.timeout for partner in self.settings.partners.values())
        return self.settings.personal.timeout + max(partners) + _DECISION_MARGIN


def decisions_of(settings: Settings, given: Sequence[str], gateways: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Where an edge asks: at the URLs of the command line; without any at the file's own listener, which every gateway
    has where it is on every address.
    """
    if given:
        return tuple(map(Endpoint.of, given))
    listen = settings.server.decision_listen
    if listen is None:
        return ()
    ip = ip_of(listen.host)
    if ip is not None and ip.is_unspecified:
        return tuple(Endpoint("http", gateway.host, listen.port) for gateway in gateways)
    return (Endpoint("http", listen.host, listen.port),)
