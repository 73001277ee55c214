"""The partners: each with an adapter, and with connections, a breaker and a budget of its own for each base url."""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from talaria.adapters.partner_kit import AdapterAccounts, PartnerContext, PartnerHttp
from talaria.adapters.partner_trial import AccountsOnTrial, Trial
from talaria.domain.errors import PARTNER
from talaria.domain.model import PHONE_HOPS, Hop
from talaria.domain.ports import Clock, PartnerAccounts, Recorder
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.settings import PartnerSettings
from talaria.entrypoints.runtime.rate_limiters import RateLimiterRegistry
from talaria.entrypoints.runtime.resources import ResourceRegistry
from talaria.entrypoints.runtime.upstream_factories import dependency_client


def partner_accounts(
    settings: Settings,
    recorder: Recorder,
    clock: Clock,
    resources: ResourceRegistry,
    rate_limiters: RateLimiterRegistry,
    instead: Mapping[str, PartnerAccounts],
) -> Mapping[str, PartnerAccounts]:
    """Each partner by its adapter, with what is on trial beside it; or what stands `instead` of it."""

    def by_adapter(partner: PartnerSettings) -> PartnerAccounts:
        client = partial(_http, partner, recorder, clock, resources, rate_limiters)
        return _accounts(partner, client, clock, resources)

    return {
        id: instead.get(id) or _with_trials(partner, by_adapter, recorder, resources)
        for id, partner in settings.partners.items()
    }


def hops(settings: Settings) -> Mapping[str, Sequence[Hop]]:
    """What is asked for each partner, as its adapter says."""
    return {id: getattr(one.found and one.found.kind, "hops", PHONE_HOPS) for id, one in settings.partners.items()}


def _with_trials(
    partner: PartnerSettings,
    by_adapter: Callable[[PartnerSettings], PartnerAccounts],
    recorder: Recorder,
    resources: ResourceRegistry,
) -> PartnerAccounts:
    accounts = by_adapter(partner)
    if not partner.trials:
        return accounts
    canary, shadow = (
        Trial(one.adapter, by_adapter(one), getattr(partner, role).share) if (one := partner.trials.get(role)) else None
        for role in ("canary", "shadow")
    )
    tried = AccountsOnTrial(
        *(partner.id, accounts, recorder, random.random),
        canary=canary,
        shadow=shadow,
        timeout=partner.timeout,
        at_once=partner.max_concurrent,
    )
    return resources.get_or_create(("trial", object()), lambda: tried)


def _accounts(
    partner: PartnerSettings, client: Callable[[str], PartnerHttp], clock: Clock, resources: ResourceRegistry
) -> AdapterAccounts:
    if partner.found is None:
        raise AssertionError("loaded settings have an adapter for each partner")
    http = client(partner.url)
    context = PartnerContext(partner.id, partner.adapter_options, partner.api_key, http, client, clock)
    accounts = AdapterAccounts(partner.found.kind(context), http)
    # Of this configuration alone: an adapter is made anew with each, and closed with it.
    return resources.get_or_create(("adapter", object()), lambda: accounts)


def _http(
    partner: PartnerSettings,
    recorder: Recorder,
    clock: Clock,
    resources: ResourceRegistry,
    rate_limiters: RateLimiterRegistry,
    url: str,
) -> PartnerHttp:
    """Taken over from before while all that the connections are made of is the same: secrets and options are not."""
    limiter = rate_limiters.limiter(f"partners.{partner.dependency}.rate_limit", partner.rate_limit)
    made_of = (
        *("partner", partner.dependency, url, partner.timeout, partner.attempts, partner.max_concurrent),
        *(partner.tls, partner.rate_limit, partner.source_address, partner.egress_proxy),
    )
    create = partial(
        dependency_client, partner.dependency, partner, PARTNER, partner.source_address, recorder, clock, limiter, url
    )
    client = resources.get_or_create(made_of, create)
    name = partner.dependency
    resources.watch(name if url == partner.url else f"{name} {url}", client.breaker, client)
    return PartnerHttp(client)
