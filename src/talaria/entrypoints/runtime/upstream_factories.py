"""The ways out: personal, the partners and the upstreams, each with connections of its own, made of the settings."""

import ssl
from collections.abc import Mapping
from functools import partial

from msgspec.structs import replace

from talaria.adapters import partners
from talaria.adapters.balanced_upstream import TalariaServices, UpstreamOrigin, UpstreamUrl
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.http1.transport import WireTransport
from talaria.adapters.http1.upstream import WireOrigin
from talaria.adapters.httpx_origin import HttpxOrigin
from talaria.adapters.httpx_transport import httpx_transport
from talaria.adapters.personal import Personal
from talaria.adapters.tls import client_tls
from talaria.domain.errors import PARTNER, PERSONAL
from talaria.domain.gateway import UpstreamTarget
from talaria.domain.ports import Clock, PartnerAccounts, PhoneDirectory, Recorder
from talaria.entrypoints.config import Secret, Settings
from talaria.entrypoints.config.settings import PartnerSettings, TlsSettings, UpstreamSettings
from talaria.entrypoints.runtime.resources import ResourceRegistry

_NO_SECRET = Secret("")


def phone_directory(
    settings: Settings, recorder: Recorder, clock: Clock, resources: ResourceRegistry
) -> PhoneDirectory:
    """personal."""
    personal = settings.personal

    def client() -> DependencyClient:
        return DependencyClient(
            "personal",
            personal.url,
            PERSONAL,
            timeout=personal.timeout,
            attempts=personal.attempts,
            max_concurrent=personal.max_concurrent,
            recorder=recorder,
            clock=clock,
            transport=WireTransport(
                connect_timeout=personal.timeout / personal.attempts,
                max_connections=personal.max_concurrent,
                ssl_context=_tls(personal.tls),
            ),
        )

    # What is sent with each request is no matter of the connections.
    asked = resources.get_or_create(("personal", replace(personal, token=None)), client)
    resources.watch("personal", asked.breaker)
    return Personal(asked, personal.token.reveal() if personal.token else "")


def partner_accounts(
    settings: Settings, recorder: Recorder, clock: Clock, resources: ResourceRegistry
) -> Mapping[str, PartnerAccounts]:
    """Each partner by its adapter; each with a client, a pool, a breaker and a budget of its own."""
    accounts: dict[str, PartnerAccounts] = {}
    for name, partner in settings.partners.items():
        made_of = ("partner", replace(partner, api_key=_NO_SECRET))
        client = resources.get_or_create(made_of, partial(_partner_client, partner, recorder, clock))
        resources.watch(name, client.breaker)
        accounts[name] = partners.build(partner.adapter, client, partner.api_key.reveal())
    return accounts


def _partner_client(partner: PartnerSettings, recorder: Recorder, clock: Clock) -> DependencyClient:
    tls, source = _tls(partner.tls), partner.source_address
    return DependencyClient(
        partner.id,
        partner.url,
        PARTNER,
        timeout=partner.timeout,
        attempts=partner.attempts,
        max_concurrent=partner.max_concurrent,
        recorder=recorder,
        clock=clock,
        transport=WireTransport(
            connect_timeout=partner.timeout / partner.attempts,
            max_connections=partner.max_concurrent,
            ssl_context=tls,
            local_address=source,
        )
        if not partner.egress_proxy
        else httpx_transport(
            max_connections=partner.max_concurrent,
            egress_proxy=partner.egress_proxy,
            ssl_context=tls,
            local_address=source,
        ),
    )


def targets(
    settings: Settings, recorder: Recorder, clock: Clock, resources: ResourceRegistry
) -> dict[str, UpstreamTarget]:
    """Each upstream with what a request to it needs."""
    found: dict[str, UpstreamTarget] = {}
    for name, upstream in settings.upstreams.items():
        made_of = ("upstream", replace(upstream, api_key=None, audience=""))
        services = resources.get_or_create(made_of, partial(_upstream, upstream, recorder, clock))
        for address, breaker in zip(upstream.urls, services.breakers, strict=True):
            resources.watch(f"{name} {address}", breaker)
        key = upstream.api_key.reveal().encode() if upstream.api_key else b""
        found[name] = UpstreamTarget(services, upstream.audience, key)
    return found


def _upstream(upstream: UpstreamSettings, recorder: Recorder, clock: Clock) -> TalariaServices:
    return TalariaServices(
        upstream.name, [UpstreamUrl(_origin(upstream, url, clock)) for url in upstream.urls], clock, recorder
    )


def _origin(upstream: UpstreamSettings, url: str, clock: Clock) -> UpstreamOrigin:
    tls, source = _tls(upstream.tls), upstream.source_address
    if not upstream.egress_proxy:
        return WireOrigin(
            url,
            name=upstream.name,
            address=url,
            connect_timeout=upstream.connect_timeout,
            max_connections=upstream.max_connections,
            ssl_context=tls,
            local_address=source,
            now=clock.now,
        )
    return HttpxOrigin(
        url,
        name=upstream.name,
        address=url,
        connect_timeout=upstream.connect_timeout,
        max_connections=upstream.max_connections,
        egress_proxy=upstream.egress_proxy,
        ssl_context=tls,
        local_address=source,
        now=clock.now,
    )


def _tls(tls: TlsSettings) -> ssl.SSLContext | None:
    """None where nothing is set: whoever connects with TLS then makes a `client_tls` without files."""
    if tls.ca_file is None and tls.cert_file is None:
        return None
    return client_tls(tls.ca_file, tls.cert_file, tls.key_file)
