"""The ways out: personal and the upstreams, each with connections of its own, made of the settings."""

import ssl
from functools import partial

from msgspec.structs import replace

from talaria.adapters.balanced_upstream import Backend, BalancedUpstream
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.http1.transport import Http1Transport
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.adapters.personal import Personal
from talaria.adapters.talaria_services import TalariaServices
from talaria.adapters.tls import client_tls
from talaria.domain.decision import UpstreamTarget
from talaria.domain.errors import PERSONAL, DependencyFaults
from talaria.domain.ports import Clock, PhoneDirectory
from talaria.domain.rate_limits import RateLimiter
from talaria.domain.resilience import LONGEST_PAUSE, CircuitBreaker
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.settings import PartnerSettings, PersonalSettings, TlsSettings, UpstreamSettings
from talaria.entrypoints.runtime.resources import ClientParts

_LONGEST_PAUSE_BESIDE_A_SIBLING = 30.0
"""Of a breaker, in seconds: requests have another url meanwhile."""


def phone_directory(settings: Settings, parts: ClientParts) -> PhoneDirectory:
    """personal."""
    personal = settings.personal
    create = partial(dependency_client, "personal", personal.url, personal, PERSONAL, parts)
    # What is sent with each request is no matter of the connections.
    client = parts.resources.get_or_create(("personal", replace(personal, token=None)), create)
    parts.resources.watch("personal", client.breaker, client)
    return Personal(client, personal.token.reveal() if personal.token else "")


def dependency_client(
    name: str,
    url: str,
    dependency: PersonalSettings | PartnerSettings,
    faults: DependencyFaults,
    parts: ClientParts,
    source_address: str | None = None,
    rate_limiter: RateLimiter | None = None,
) -> DependencyClient:
    """A client for this url, with the limits and the way of the dependency."""
    return DependencyClient(
        name,
        url,
        faults,
        timeout=dependency.timeout,
        attempts=dependency.attempts,
        max_concurrent=dependency.max_concurrent,
        rate_limiter=rate_limiter,
        recorder=parts.recorder,
        clock=parts.clock,
        transport=dependency_transport(dependency, source_address),
    )


def dependency_transport(dependency: PersonalSettings | PartnerSettings, source_address: str | None) -> Http1Transport:
    """The way to this dependency."""
    return Http1Transport(
        connect_timeout=dependency.timeout / dependency.attempts,
        max_connections=dependency.max_concurrent,
        ssl_context=ssl_context(dependency.tls),
        local_address=source_address,
        egress_proxy=dependency.egress_proxy,
    )


def targets(settings: Settings, parts: ClientParts) -> dict[str, UpstreamTarget]:
    """Each upstream with what a request to it needs."""
    found: dict[str, UpstreamTarget] = {}
    for name, upstream in settings.upstreams.items():
        made_of = ("upstream", replace(upstream, api_key=None, audience=""))
        services = parts.resources.get_or_create(made_of, partial(_upstream, upstream, parts))
        for backend in services.backends:
            parts.resources.watch(f"{name} {backend.client.address}", backend.breaker, backend.client)
        key = upstream.api_key.reveal().encode() if upstream.api_key else b""
        found[name] = UpstreamTarget(services, upstream.audience, key)
    return found


def _upstream(upstream: UpstreamSettings, parts: ClientParts) -> TalariaServices:
    pause = _LONGEST_PAUSE_BESIDE_A_SIBLING if len(upstream.urls) > 1 else LONGEST_PAUSE
    clock = parts.clock
    backends = [Backend(_http1_upstream(upstream, url, clock), CircuitBreaker(pause)) for url in upstream.urls]
    return TalariaServices(BalancedUpstream(upstream.name, backends, clock, parts.recorder), clock)


def _http1_upstream(upstream: UpstreamSettings, url: str, clock: Clock) -> Http1Upstream:
    return Http1Upstream(
        url,
        name=upstream.name,
        address=url,
        connect_timeout=upstream.connect_timeout,
        max_connections=upstream.max_connections,
        max_connection_age=upstream.max_connection_age,
        ssl_context=ssl_context(upstream.tls),
        local_address=upstream.source_address,
        egress_proxy=upstream.egress_proxy,
        now=clock.now,
    )


def ssl_context(tls: TlsSettings) -> ssl.SSLContext | None:
    """None where nothing is set: a `client_tls` without files is made then, where one is needed."""
    if tls.ca_file is None and tls.cert_file is None:
        return None
    return client_tls(tls.ca_file, tls.cert_file, tls.key_file)
