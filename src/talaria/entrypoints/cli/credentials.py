"""Whether personal and the partners take our credentials: each is asked what changes nothing, by its own adapter."""

import asyncio
from collections.abc import Awaitable

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.telemetry.recorder import EventBus
from talaria.domain.errors import BadAnswer, DependencyFault, Overloaded, Refusal, TimedOut, UnknownUser
from talaria.domain.events import HopContext
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.cli.probes import Finding
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.settings import PartnerSettings
from talaria.entrypoints.runtime.partner_factories import adapter_accounts
from talaria.entrypoints.runtime.rate_limiters import RateLimiters
from talaria.entrypoints.runtime.resources import ClientParts, ResourceRegistry, close_all
from talaria.entrypoints.runtime.upstream_factories import phone_directory

_REFUSED = "our credentials were refused"
_ADVICE = (
    (BadAnswer, "Look at its last release, at the url, and at our credentials."),
    (TimedOut, "Look whether it hangs, or whether the timeout of its table is too short."),
    (Overloaded, "It turns us away: wait, or ask for more room there."),
)
_ADVISED = "Look whether it runs, and at what was found on the way to it."
_MADE = "Look at the options and secrets of its table, and in the log for the place."
_NOT_A_PERSON = PersonalPhoneId("talaria-doctor")
_REQUEST_ID = "talaria-doctor"


def credentials(settings: Settings) -> list[Finding]:
    """What personal and each partner say to our credentials."""
    return asyncio.run(_asked(settings))


async def _asked(settings: Settings) -> list[Finding]:
    parts = ClientParts(EventBus({}), MonotonicClock(), ResourceRegistry(), RateLimiters())
    partners = [one for partner in settings.partners.values() for one in (partner, *partner.trials.values())]
    try:
        return await asyncio.gather(_personal(settings, parts), *(_partner(partner, parts) for partner in partners))
    finally:
        await close_all(parts.resources)


async def _personal(settings: Settings, parts: ClientParts) -> Finding:
    call = HopContext(_REQUEST_ID, settings.personal.timeout)
    asking = phone_directory(settings, parts).phone_of(_NOT_A_PERSON, call)
    return await _finding("personal", asking, "Look at personal.token: is it the one that personal knows?")


async def _partner(partner: PartnerSettings, parts: ClientParts) -> Finding:
    owner = f"the partner {partner.dependency}"
    if partner.found is None or not hasattr(partner.found.kind, "probe"):
        return Finding(f"{owner}: its adapter has no probe, so its credentials are not tried", True)
    try:
        asking = adapter_accounts(partner, parts).probe(HopContext(_REQUEST_ID, partner.timeout))
    except Exception as error:  # of code that is not ours; its text may hold a secret
        return Finding(f"{owner}: its adapter can't be made ({type(error).__name__})", False, "its adapter", _MADE)
    table = f"partners.{partner.id}"
    return await _finding(owner, asking, f"Look at {table}.api_key and {table}.secrets, or ask {owner} for its end.")


async def _finding(owner: str, asking: Awaitable[object], advice: str) -> Finding:
    try:
        await asking
    except UnknownUser:
        pass  # an answer, to one that it knows
    except DependencyFault as fault:
        if isinstance(fault, BadAnswer) and fault.cause == _REFUSED:
            return Finding(f"{owner}: refuses our credentials", False, f"us, with {owner}", advice)
        advice = next((said for kind, said in _ADVICE if isinstance(fault, kind)), _ADVISED)
        return Finding(f"{owner}: can't be asked ({fault.cause or fault.reason})", False, owner, advice)
    except Refusal as refusal:
        return Finding(f"{owner}: can't be asked ({refusal.cause or refusal.reason})", False, "us", "Try again.")
    return Finding(f"{owner}: takes our credentials", True)
