"""How each part is made of the settings: plain functions, which the container calls once each."""

import os
import random
import time
from functools import partial
from typing import TYPE_CHECKING

from talaria import __version__
from talaria.adapters.auth.jwk import KeySource, public_key, read_key_set, secret_key
from talaria.adapters.auth.jwks import JwksClient, StaticKeys, keys_behind_url
from talaria.adapters.auth.jwt_verifier import CallerRules, JwtVerifier
from talaria.adapters.auth.key_files import load_public_keys, load_signing_key
from talaria.adapters.auth.key_rotation import KeyHistory
from talaria.adapters.auth.service_tokens import ServiceTokenSigner, SigningKey
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.http1.transport import Http1Transport
from talaria.adapters.telemetry.access_log import AccessLog
from talaria.adapters.telemetry.failure_log import FailureLog
from talaria.adapters.telemetry.metrics import Metrics
from talaria.adapters.telemetry.recorder import EventBus, Handler, log_shadow, pseudonyms
from talaria.domain.authorization import ApiKeys, NetworkAllowlist
from talaria.domain.errors import CALLER_KEYS
from talaria.domain.events import RequestFinished, RequestForwarded, ShadowAnswered
from talaria.domain.exchange import CachePolicy
from talaria.domain.forwarded import ForwardedHeaders
from talaria.domain.headers import HeaderPolicy
from talaria.domain.model import Partner, Route
from talaria.domain.ports import Clock, IdentityCache
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.domain.tracing import Tracing
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.settings import CallerSettings
from talaria.entrypoints.public.problems import ROWS
from talaria.entrypoints.runtime.resources import ClientParts, HealthRegistry
from talaria.entrypoints.runtime.upstream_factories import ssl_context

if TYPE_CHECKING:
    from talaria.adapters.telemetry.collector import Collector
    from talaria.adapters.telemetry.spans import SpanRecorder

_NO_PARTNER = Partner("", b"")


def metrics(
    settings: Settings,
    identities: IdentityCache,
    limiter: ConcurrencyLimiter,
    health: HealthRegistry,
    access_log: AccessLog,
    worker: int,
) -> Metrics:
    """The counters of this process."""
    return Metrics(
        tags=settings.routes,
        identities=lambda: len(identities),
        in_flight=lambda: limiter.in_flight,
        lines=access_log.state,
        states=health.gauges,
        failures=possible_failures(),
        worker=worker,
        version=__version__,
    )


def possible_failures() -> list[tuple[str, str]]:
    """Origin and reason of each answer of 500 and above that there can be: ours, and the upstream's own."""
    refused = [(origin, reason) for reason, row in ROWS.items() for origin in row.origins]
    return [*refused, ("upstream", "")]


def lines_as_text(settings: Settings, descriptor: int) -> bool:
    """Whether lines to this descriptor are for people."""
    return settings.logging.format == "text" or (settings.logging.format == "auto" and os.isatty(descriptor))


def tracing(settings: Settings) -> Tracing | None:
    """The traces of requests, where a collector is told of them."""
    return Tracing(settings.tracing.sample) if settings.tracing.endpoint else None


def collector(settings: Settings, worker: int) -> "Collector | None":
    """Where spans go. Its libraries, and those of `spans`, are imported only where there is one."""
    if not settings.tracing.endpoint:
        return None
    from talaria.adapters.telemetry.collector import Collector

    return Collector(settings.tracing.endpoint, __version__, worker)


def spans(settings: Settings, collector: "Collector | None", clock: Clock) -> "SpanRecorder | None":
    """What a collector is told of requests."""
    if collector is None:
        return None
    from talaria.adapters.telemetry.spans import SpanRecorder

    return SpanRecorder(collector.put, collector.resource, Tracing(settings.tracing.sample).begin, clock)


def urls_of_dependencies(settings: Settings) -> dict[str, str]:
    """Of each that has one url alone."""
    urls = {"personal": settings.personal.url}
    urls |= {name: partner.url for name, partner in settings.partners.items()}
    return urls | {name: upstream.urls[0] for name, upstream in settings.upstreams.items() if len(upstream.urls) == 1}


def recorder(
    metrics: Metrics, access_log: AccessLog, failure_log: FailureLog, spans: "SpanRecorder | None" = None
) -> EventBus:
    """The handlers of each event."""
    handlers: dict[type, list[Handler]] = {kind: [handler] for kind, handler in metrics.handlers.items()}
    handlers[RequestFinished] += [access_log.record, failure_log.record]
    handlers[RequestForwarded].append(access_log.record_forwarded)
    if spans is not None:
        handlers[RequestFinished].append(spans.record)
        handlers[RequestForwarded].append(spans.record_forwarded)
    handlers[ShadowAnswered].append(log_shadow)
    bus = EventBus(handlers)
    metrics.before_reading = bus.flush
    return bus


def cache_policy(settings: Settings) -> CachePolicy:
    """How long exchange results are kept."""
    kept = settings.identities
    return CachePolicy(kept.max_age, kept.negative_age, kept.stale_if_error, random.random)


def partners_of(settings: Settings) -> dict[str, Partner]:
    """The partners as the request path needs them."""
    return {name: Partner(name, partner.user_id_header.encode()) for name, partner in settings.partners.items()}


def routes(settings: Settings) -> dict[str, Route]:
    """What each tag stands for."""
    known = partners_of(settings)
    return {
        tag: Route(
            tag=tag,
            partner=known.get(route.partner, _NO_PARTNER),
            upstream=route.upstream,
            callers=frozenset(route.callers),
            methods=frozenset(route.methods),
            timeout=route.timeout,
            upload_timeout=route.upload_timeout,
            idle_timeout=route.idle_timeout,
            identity_required=route.identity == "required",
            recheck_methods=frozenset(route.recheck.methods),
            recheck_max_age=route.recheck.max_age,
        )
        for tag, route in settings.routes.items()
    }


def api_keys(settings: Settings) -> ApiKeys:
    """The callers that name no person."""
    known = {name: caller.api_key for name, caller in settings.callers.items() if caller.api_key is not None}
    return ApiKeys({name: [key.reveal().encode() for key in keys] for name, keys in known.items()})


def networks(settings: Settings) -> NetworkAllowlist:
    """Where callers may call from."""
    return NetworkAllowlist({name: caller.networks for name, caller in settings.callers.items()})


def header_policy(settings: Settings) -> HeaderPolicy:
    """Which headers pass."""
    return HeaderPolicy(partners_of(settings).values(), pass_baggage=settings.tracing.baggage == "pass")


def forwarded(settings: Settings) -> ForwardedHeaders:
    """The proxies that forwarding headers are taken from."""
    return ForwardedHeaders(settings.server.trusted_proxies)


def verifier(settings: Settings, parts: ClientParts, random_person_key: bytes) -> JwtVerifier:
    """The rules of each caller, with its keys."""
    rules = [
        CallerRules(
            name=caller.name,
            issuer=caller.issuer,
            audience=caller.audience,
            algorithms=frozenset(caller.algorithms),
            keys=_keys_of(caller, parts),
            phone_id_claim=caller.phone_id_claim,
            leeway=caller.leeway,
            max_lifetime=caller.max_lifetime,
        )
        for caller in settings.callers.values()
        if caller.api_key is None
    ]
    given = settings.logging.person_key
    names = pseudonyms(given.reveal().encode() if given is not None else random_person_key)
    return JwtVerifier(rules, time.time, own_issuers=[settings.signing.issuer], pseudonym=names)


def _keys_of(caller: CallerSettings, parts: ClientParts) -> KeySource:
    if caller.jwks_url is not None:
        # Taken over from before: the keys that are known outlast a reload while their issuer is out of reach.
        made_of = (
            *("keys", caller.name, caller.jwks_url, caller.jwks_timeout, caller.jwks_tls, caller.egress_proxy),
            caller.algorithms,
        )
        keys = parts.resources.get_or_create(made_of, partial(_jwks_client, caller, caller.jwks_url, parts))
        parts.resources.watch(keys_behind_url(caller.name), keys, keys.client)
        parts.resources.key_sets[f"{caller.name} {caller.jwks_url}"] = keys
        return keys
    if caller.secret is not None:
        return StaticKeys([secret_key(caller.secret.reveal().encode())], any_kid=True)
    if caller.jwks_file is not None:
        return StaticKeys(read_key_set(caller.key_material))
    return StaticKeys([public_key(key) for key in load_public_keys(caller.key_material)], any_kid=True)


def _jwks_client(caller: CallerSettings, url: str, parts: ClientParts) -> JwksClient:
    client = DependencyClient(
        keys_behind_url(caller.name),
        url,
        CALLER_KEYS,
        timeout=caller.jwks_timeout,
        attempts=1,
        recorder=parts.recorder,
        clock=parts.clock,
        transport=Http1Transport(
            connect_timeout=caller.jwks_timeout,
            max_connections=1,
            ssl_context=ssl_context(caller.jwks_tls),
            egress_proxy=caller.egress_proxy,
        ),
    )
    return JwksClient(client, parts.clock, caller.jwks_timeout, caller.algorithms, parts.waiting_for_keys)


def service_tokens(settings: Settings, history: KeyHistory) -> ServiceTokenSigner:
    """The signer; the first key signs."""
    signing = settings.signing
    keys = [SigningKey(key.kid, *load_signing_key(key.pem.reveal().encode())) for key in signing.keys]
    return ServiceTokenSigner(
        keys, signing.issuer, signing.lifetime, time.time, signed=history.signed, backdate=signing.backdate
    )
