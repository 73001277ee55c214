"""The object graph, built once at start-up; the only user of dependency_injector.

A test (or a partner team) swaps any part before the first one is asked for:

    container = Container(settings=settings)
    container.phone_directory.override(MemoryPhoneDirectory({"ppid-anna": "+4915112345678"}))
    container.partners.override("wind", MemoryPartnerAccounts({"+4915112345678": "wu-anna"}))  # the others stay

There are two lifetimes. What is in the ProcessContainer goes on for as long as the process; the rest belongs to one
configuration, and a reload builds it anew. How each part is made stands in `factories.py`, and in
`upstream_factories.py` and `partner_factories.py` for what calls others. No provider is called while a request runs.
"""

import time
from secrets import token_bytes
from typing import Any

from dependency_injector import containers, providers

from talaria.adapters.auth.key_rotation import KeyHistory
from talaria.adapters.clock import MonotonicClock
from talaria.adapters.telemetry.access_log import AccessLog
from talaria.adapters.telemetry.failure_log import FailureLog
from talaria.domain.exchange import Exchange
from talaria.domain.gateway import Gateway
from talaria.domain.ports import PartnerAccounts
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.entrypoints.config import Settings
from talaria.entrypoints.ops.admin import LocalAdmin
from talaria.entrypoints.runtime import factories, partner_factories, upstream_factories
from talaria.entrypoints.runtime.rate_limiters import RateLimiters
from talaria.entrypoints.runtime.resources import ClientParts, HealthRegistry, ResourceRegistry
from talaria.entrypoints.runtime.siblings import SharedIdentityCache, Siblings


class ProcessContainer(containers.DeclarativeContainer):
    """What outlives a reload. `settings` are those of the start."""

    settings = providers.Dependency(instance_of=Settings)
    access_descriptor = providers.Object(1)
    worker = providers.Object(0)
    person_key = providers.Singleton(token_bytes, 32)

    clock = providers.Singleton(MonotonicClock)
    limiter = providers.Singleton(ConcurrencyLimiter, settings.provided.server.max_in_flight)
    identities = providers.Singleton(SharedIdentityCache, settings.provided.identities.max_entries)
    rate_limiters = providers.Singleton(RateLimiters)
    siblings = providers.Singleton(Siblings, identities)
    key_history = providers.Singleton(KeyHistory, time.time)

    health = providers.Singleton(HealthRegistry, clock, time.time)
    access_log = providers.Singleton(
        AccessLog,
        access_descriptor,
        worker=worker,
        as_text=providers.Callable(factories.lines_as_text, settings, access_descriptor),
    )
    metrics = providers.Singleton(factories.metrics, settings, identities, limiter, health, access_log, worker)
    failure_log = providers.Singleton(FailureLog, states=health.provided.states)
    collector = providers.Singleton(factories.collector, settings, worker)
    spans = providers.Singleton(factories.spans, settings, collector, clock)
    recorder = providers.Singleton(factories.recorder, metrics, access_log, failure_log, spans)
    admin = providers.Singleton(LocalAdmin, settings, metrics, failure_log, health.provided.dependencies, key_history)


class _PartnersInstead(providers.Object[dict[str, PartnerAccounts]]):
    """By the partner's id, the accounts that stand in place of what its adapter would be."""

    def override(self, provider: Any, accounts: PartnerAccounts | None = None) -> Any:
        """Put these accounts in the place of the partner of this id; the others stay what they are."""
        return super().override(provider if accounts is None else {**self(), provider: accounts})


class Container(containers.DeclarativeContainer):
    """Every part of one configuration, each built once and when it is first asked for.

    `resources` may be given those of the configuration before, to take over what need not change.
    """

    settings = providers.Dependency(instance_of=Settings)
    process = providers.Container(ProcessContainer, settings=settings)
    resources = providers.Singleton(ResourceRegistry)

    parts = providers.Singleton(
        ClientParts,
        process.recorder,
        process.clock,
        resources,
        process.rate_limiters,
        process.limiter.provided.waiting_for_keys,
    )

    verifier = providers.Singleton(factories.verifier, settings, parts, process.person_key)
    service_tokens = providers.Singleton(factories.service_tokens, settings, process.key_history)
    phone_directory = providers.Singleton(upstream_factories.phone_directory, settings, parts)
    partners = _PartnersInstead({})
    partner_accounts = providers.Singleton(partner_factories.partner_accounts, settings, parts, partners)
    targets = providers.Singleton(upstream_factories.targets, settings, parts)

    exchange = providers.Singleton(
        Exchange,
        directory=phone_directory,
        accounts=partner_accounts,
        identities=process.identities,
        policy=providers.Singleton(factories.cache_policy, settings),
        clock=process.clock,
        recorder=process.recorder,
        shed_cold=process.limiter.provided.shed_cold,
        hops=providers.Singleton(partner_factories.hops, settings),
    )
    gateway = providers.Singleton(
        Gateway,
        routes=providers.Singleton(factories.routes, settings),
        targets=targets,
        header_policy=providers.Singleton(factories.header_policy, settings),
        forwarded=providers.Singleton(factories.forwarded, settings),
        verifier=verifier,
        exchange=exchange,
        tokens=service_tokens,
        clock=process.clock,
        api_keys=providers.Singleton(factories.api_keys, settings),
        networks=providers.Singleton(factories.networks, settings),
        rate_limits=process.rate_limiters.provided.of_callers.call(settings),
        tracing=providers.Singleton(factories.tracing, settings),
    )
