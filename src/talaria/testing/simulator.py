"""Simulated partners: a scriptable service, the client that asks it, and an adapter on top."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.http1.transport import Http1Transport
from talaria.adapters.partner_kit import AdapterAccounts, PartnerContext, PartnerHttp, Sensitive, options_of
from talaria.domain.errors import PARTNER
from talaria.sandbox.certificates import MutualTls
from talaria.sandbox.faults import Faults as Script
from talaria.sandbox.partner import SimulatedPartner
from talaria.sandbox.replay import ReplayProtection
from talaria.sandbox.service import SimulatedService
from talaria.sandbox.service_errors import ServiceError
from talaria.testing.memory import MemoryRecorder

MakeTransport = Callable[[], Any]
"""Makes a transport of httpx."""

__all__ = [
    "ReplayProtection",
    "Script",
    "ServiceError",
    "SimulatedPartner",
    "SimulatedService",
    "accounts_of",
    "certified",
    "client_of",
    "running",
]


@asynccontextmanager
async def certified(service: SimulatedPartner) -> AsyncIterator[MakeTransport | None]:
    """Certificates for a partner that wants ours too, before it runs; the transport for `accounts_of`."""
    if not service.mutual_tls:
        yield None
        return
    with TemporaryDirectory(prefix="talaria-tls-") as folder:
        tls = service.tls = MutualTls(Path(folder), service.name)
        yield lambda: Http1Transport(ssl_context=tls.client_context())


@asynccontextmanager
async def running(service: SimulatedService) -> AsyncIterator[None]:
    """The service answers on a free port meanwhile: `service.url`."""
    service.bind("127.0.0.1", 0)
    try:
        await service.start()
    except BaseException:
        service.release()
        raise
    try:
        yield
    finally:
        await service.stop()


@asynccontextmanager
async def client_of(
    url: str, *, id: str = "partner", timeout: float = 5.0, attempts: int = 3, transport: MakeTransport | None = None
) -> AsyncIterator[PartnerHttp]:
    """The kit's client of a partner at `url`. `timeout` is in seconds, for the whole hop."""
    http = _http(url, id, timeout, attempts, transport)
    try:
        yield http
    finally:
        await http.aclose()


@asynccontextmanager
async def accounts_of(
    adapter: Callable[[PartnerContext], Any],
    url: str,
    *,
    id: str = "partner",
    options: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    api_key: str = "",
    timeout: float = 5.0,
    attempts: int = 3,
    transport: MakeTransport | None = None,
) -> AsyncIterator[AdapterAccounts]:
    """An adapter as the gateway runs it, for the partner at `url`. Raises msgspec.ValidationError for wrong options.

    `transport` makes the connections of each host that is asked, where they are of another kind than plain ones.
    """
    hosts: list[PartnerHttp] = []

    def client(base_url: str) -> PartnerHttp:
        hosts.append(_http(base_url, id, timeout, attempts, transport))
        return hosts[-1]

    shape: type[msgspec.Struct] | None = getattr(adapter, "Options", None)
    kept = {name: Sensitive(secret) for name, secret in (secrets or {}).items()}
    own = None if shape is None else options_of(shape, {**(options or {}), **kept})
    key = Sensitive(api_key) if api_key else None
    main = client(url)
    accounts = AdapterAccounts(adapter(PartnerContext(id, own, key, main, client, MonotonicClock())), main)
    try:
        yield accounts
    finally:
        await accounts.aclose()
        for host in hosts:
            await host.aclose()


def _http(url: str, id: str, timeout: float, attempts: int, transport: MakeTransport | None) -> PartnerHttp:
    return PartnerHttp(
        DependencyClient(
            *(id, url, PARTNER),
            timeout=timeout,
            attempts=attempts,
            recorder=MemoryRecorder(),
            clock=MonotonicClock(),
            transport=transport and transport(),
        )
    )
