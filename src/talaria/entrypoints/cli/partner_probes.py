"""What the adapters' own probes find, for `doctor`: each asks its partner what changes nothing there."""

import asyncio

from msgspec.structs import replace

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.partner_kit import AdapterAccounts
from talaria.adapters.telemetry.recorder import EventBus
from talaria.domain.errors import Refusal
from talaria.domain.events import HopContext
from talaria.domain.ports import PartnerAccounts
from talaria.entrypoints.cli.probes import Finding
from talaria.entrypoints.config import Settings
from talaria.entrypoints.runtime.partner_factories import partner_accounts
from talaria.entrypoints.runtime.rate_limiters import RateLimiterRegistry
from talaria.entrypoints.runtime.resources import ClientParts, ResourceRegistry


async def ask_partners(settings: Settings) -> list[Finding]:
    """A finding for each partner with an adapter that has a probe."""
    probed = {
        id: replace(partner, trials={})
        for id, partner in settings.partners.items()
        if partner.found is not None and hasattr(partner.found.kind, "probe")
    }
    resources = ResourceRegistry()
    parts = ClientParts(EventBus({}), MonotonicClock(), resources, RateLimiterRegistry())
    accounts = partner_accounts(replace(settings, partners=probed), parts, {})
    try:
        return await asyncio.gather(*(_ask(id, one, probed[id].timeout) for id, one in accounts.items()))
    finally:
        for resource in resources:
            await resource.aclose()


async def _ask(id: str, accounts: PartnerAccounts, timeout: float) -> Finding:
    owner = f"the partner {id}"
    try:
        if isinstance(accounts, AdapterAccounts):
            await accounts.probe(HopContext("", timeout))
        return Finding(f"{owner}: its adapter's probe is answered", True)
    except Refusal as refusal:
        what = f"{owner}: its adapter's probe fails ({refusal.cause or refusal.reason})"
        return Finding(what, False, owner, "Look at the cause: what was refused may be credentials of ours.")
