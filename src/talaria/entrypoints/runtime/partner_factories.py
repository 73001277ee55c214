"""The partners: each with an adapter, and with connections, a breaker and a budget of its own for each base url."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from talaria.adapters.partner_kit import AdapterAccounts, PartnerContext, PartnerHttp
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
    """Each partner by its adapter, or what stands `instead` of it."""
    accounts: dict[str, PartnerAccounts] = {}
    for id, partner in settings.partners.items():
        if id in instead:
            accounts[id] = instead[id]
            continue
        client = partial(_http, partner, recorder, clock, resources, rate_limiters)
        accounts[id] = _accounts(partner, client, clock, resources)
    return accounts


def hops(settings: Settings) -> Mapping[str, Sequence[Hop]]:
    """What is asked for each partner, as its adapter says."""
    return {id: getattr(one.found and one.found.kind, "hops", PHONE_HOPS) for id, one in settings.partners.items()}


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
    limiter = rate_limiters.limiter(f"partners.{partner.id}.rate_limit", partner.rate_limit)
    made_of = (
        *("partner", partner.id, url, partner.timeout, partner.attempts, partner.max_concurrent),
        *(partner.tls, partner.rate_limit, partner.source_address, partner.egress_proxy),
    )
    create = partial(
        dependency_client, partner.id, partner, PARTNER, partner.source_address, recorder, clock, limiter, url
    )
    client = resources.get_or_create(made_of, create)
    resources.watch(partner.id if url == partner.url else f"{partner.id} {url}", client.breaker, client)
    return PartnerHttp(client)
