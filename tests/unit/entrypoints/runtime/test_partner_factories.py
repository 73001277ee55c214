"""Partners are made of the settings: which adapter, what it is given, what a reload takes over, what hops there are."""

from typing import Any

import pytest
from msgspec.structs import replace

from talaria.adapters.partner_kit import EMAIL_HOPS, PHONE_HOPS, AdapterAccounts
from talaria.adapters.partner_trial import AccountsOnTrial
from talaria.adapters.partners import Adapter
from talaria.adapters.partners.wind import Accounts
from talaria.domain.model import Sensitive
from talaria.domain.ports import PartnerAccounts
from talaria.domain.rate_limits import RateLimit
from talaria.entrypoints.config import Secret, Settings
from talaria.entrypoints.config.settings import PartnerSettings, PersonalSettings, SigningSettings, TrialSettings
from talaria.entrypoints.runtime.partner_factories import hops, partner_accounts
from talaria.entrypoints.runtime.rate_limiters import RateLimiters
from talaria.entrypoints.runtime.resources import ClientParts, ResourceRegistry
from talaria.testing import MemoryClock, MemoryPartnerAccounts, MemoryRecorder

URL = "http://comet.test"


class Comet:
    """An adapter that keeps what it was given, asks a second host, and is closed."""

    contract = 1
    hops = EMAIL_HOPS

    def __init__(self, partner: Any) -> None:
        self.partner = partner
        self.elsewhere = partner.client("http://tokens.test")
        self.closed = 0

    async def user_of(self, identity: Any, call: Any) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Counted."""
        self.closed += 1


def settings(kind: type = Comet, **changes: Any) -> Settings:
    """One partner."""
    found = Adapter(kind, "talaria-partner-comet", "1")
    partner = PartnerSettings(id="comet", adapter="comet", found=found, url=URL)
    return Settings(
        callers={},
        signing=SigningSettings(keys=()),
        personal=PersonalSettings(url="http://personal.test"),
        partners={"comet": replace(partner, **changes)},
        upstreams={},
        routes={},
    )


def built(
    given: Settings, resources: ResourceRegistry, instead: dict[str, PartnerAccounts] | None = None
) -> PartnerAccounts:
    """The accounts of comet."""
    parts = ClientParts(MemoryRecorder(), MemoryClock(), resources, RateLimiters())
    made = partner_accounts(given, parts, instead or {})
    return made["comet"]


def adapter_of(given: Settings, resources: ResourceRegistry) -> Comet:
    """The adapter itself."""
    accounts = built(given, resources)
    assert isinstance(accounts, AdapterAccounts)
    assert isinstance(accounts.adapter, Comet)
    return accounts.adapter


async def test_an_adapter_gets_its_options_its_key_and_a_breaker_for_each_host() -> None:
    resources = ResourceRegistry()
    comet = adapter_of(settings(adapter_options="own", api_key=Secret("key")), resources)
    assert (comet.partner.id, comet.partner.options, comet.partner.api_key) == ("comet", "own", Secret("key"))
    assert isinstance(comet.partner.api_key, Sensitive)
    assert set(resources.watched) == {"comet", "comet http://tokens.test"}


@pytest.mark.parametrize("changes", [{"adapter_options": "other"}, {"api_key": Secret("other")}, {"options": {"a": 1}}])
async def test_a_reload_that_changes_what_is_sent_keeps_the_connections_and_closes_the_adapter(
    changes: dict[str, Any],
) -> None:
    before = ResourceRegistry()
    old = adapter_of(settings(), before)
    after = ResourceRegistry(before)
    new = adapter_of(settings(**changes), after)
    assert new is not old
    assert before.watched == after.watched
    for resource in before.not_taken_over_by(after):
        await resource.aclose()
    assert (old.closed, new.closed) == (1, 0)


@pytest.mark.parametrize("changes", [{"url": "http://other.test"}, {"timeout": 9.0}, {"egress_proxy": "http://p:1"}])
async def test_a_reload_that_changes_the_way_makes_new_connections(changes: dict[str, Any]) -> None:
    before = ResourceRegistry()
    adapter_of(settings(), before)
    after = ResourceRegistry(before)
    adapter_of(settings(**changes), after)
    assert before.watched["comet"] is not after.watched["comet"]


def test_what_stands_in_place_of_an_adapter_is_taken_and_nothing_is_built() -> None:
    resources, fake = ResourceRegistry(), MemoryPartnerAccounts({})
    assert built(settings(), resources, {"comet": fake}) is fake
    assert resources.watched == {}


def test_the_hops_are_what_the_adapter_says() -> None:
    assert hops(settings()) == {"comet": EMAIL_HOPS}
    assert hops(settings(Accounts)) == {"comet": PHONE_HOPS}


def test_a_partner_without_an_adapter_was_not_loaded() -> None:
    with pytest.raises(AssertionError, match="an adapter for each partner"):
        built(settings(found=None), ResourceRegistry())


async def test_what_is_on_trial_has_a_client_of_its_own_under_a_name_of_its_own() -> None:
    trial = TrialSettings(adapter="comet2", share=0.05)
    plain = settings(rate_limit=RateLimit(1, 1)).partners["comet"]
    trials = {role: replace(plain, role=role, adapter="comet2", adapter_options=role) for role in ("shadow", "canary")}
    before = ResourceRegistry()
    given = settings(shadow=trial, canary=trial, trials=trials, rate_limit=RateLimit(1, 1))
    assert isinstance(built(given, before), AccountsOnTrial)
    hosts = [name for name in before.watched if " " not in name]
    assert sorted(hosts) == ["comet", "comet.canary", "comet.shadow"]
    assert len({id(before.watched[name]) for name in before.watched}) == 6
    adapters = [one.adapter for one in before if isinstance(one, AdapterAccounts)]
    assert {(one.partner.id, one.partner.options) for one in adapters if isinstance(one, Comet)} == {
        ("comet", None),
        ("comet", "shadow"),
        ("comet", "canary"),
    }
    after = ResourceRegistry(before)
    built(settings(rate_limit=RateLimit(1, 1)), after)  # the trials are over
    assert after.watched["comet"] is before.watched["comet"]
    for resource in before.not_taken_over_by(after):
        await resource.aclose()
