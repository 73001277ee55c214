"""The object graph, built once at start-up; the only user of dependency_injector.

A test (or a partner team) swaps any part before the first one is asked for:

    container = Container(settings=settings)
    container.phone_directory.override(MemoryPhoneDirectory({"ppid-anna": "+4915112345678"}))

How each part is made stands in `parts.py`, and in `outgoing.py` for what calls others. No provider is called while a
request runs. A reload builds a second container beside the first (`successor`).
"""

from secrets import token_bytes

from dependency_injector import containers, providers

from talaria.adapters.auth.key_rotation import KeyHistory
from talaria.adapters.clock import MonotonicClock, wall
from talaria.adapters.identity_cache import LruIdentityCache
from talaria.adapters.telemetry.access_log import AccessLog
from talaria.adapters.telemetry.failure_log import Ledger
from talaria.domain.exchange import Exchange
from talaria.domain.gateway import Gateway
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.entrypoints.config import Settings
from talaria.entrypoints.ops.admin import OneProcess
from talaria.entrypoints.runtime import factories as parts
from talaria.entrypoints.runtime import upstream_factories as outgoing
from talaria.entrypoints.runtime.health import Breakers
from talaria.entrypoints.runtime.resources import Stock


class Container(containers.DeclarativeContainer):
    """Every part of one gateway process, each built once and when it is first asked for."""

    settings = providers.Dependency(instance_of=Settings)
    access_descriptor = providers.Object(1)

    clock = providers.Singleton(MonotonicClock)
    load = providers.Singleton(ConcurrencyLimiter, settings.provided.server.max_in_flight)
    identities = providers.Singleton(LruIdentityCache, settings.provided.identities.max_entries)

    metrics = providers.Singleton(parts.metrics, settings, identities, load)
    access_log = providers.Singleton(AccessLog, access_descriptor)
    breakers = providers.Singleton(Breakers)
    stock = providers.Singleton(Stock)
    ledger = providers.Singleton(Ledger, states=breakers.provided.states)
    recorder = providers.Singleton(parts.recorder, metrics, access_log, ledger)

    key_history = providers.Singleton(KeyHistory, wall)
    random_person_key = providers.Singleton(token_bytes, 32)
    caller_tokens = providers.Singleton(
        parts.caller_tokens, settings, recorder, clock, breakers, stock, random_person_key
    )
    service_tokens = providers.Singleton(parts.service_tokens, settings, key_history)
    phone_directory = providers.Singleton(outgoing.phone_directory, settings, recorder, clock, breakers, stock)
    partner_accounts = providers.Singleton(outgoing.partner_accounts, settings, recorder, clock, breakers, stock)
    targets = providers.Singleton(outgoing.targets, settings, recorder, clock, breakers, stock)

    exchange = providers.Singleton(
        Exchange,
        directory=phone_directory,
        accounts=partner_accounts,
        identities=identities,
        policy=providers.Singleton(parts.cache_policy, settings),
        clock=clock,
        recorder=recorder,
        shed_cold=load.provided.shed_cold,
    )
    gateway = providers.Singleton(
        Gateway,
        routes=providers.Singleton(parts.routes, settings),
        targets=targets,
        header_policy=providers.Singleton(parts.header_policy, settings),
        forwarded=providers.Singleton(parts.forwarded, settings),
        verifier=caller_tokens,
        exchange=exchange,
        tokens=service_tokens,
        clock=clock,
        api_keys=providers.Singleton(parts.api_keys, settings),
        networks=providers.Singleton(parts.networks, settings),
    )
    fleet = providers.Singleton(OneProcess, settings, exchange, metrics, ledger, breakers.provided.states, key_history)


_OF_THE_PROCESS = (
    "random_person_key",
    "clock",
    "load",
    "identities",
    "metrics",
    "access_log",
    "ledger",
    "recorder",
    "key_history",
    "fleet",
)


def successor(old: Container, settings: Settings) -> Container:
    """A container for other settings, with the parts that are the process's own and those that need not change."""
    new = Container(settings=settings)
    for name in _OF_THE_PROCESS:
        getattr(new, name).override(getattr(old, name)())
    new.stock.override(Stock(old.stock()))
    return new
