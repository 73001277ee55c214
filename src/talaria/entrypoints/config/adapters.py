"""The adapters that the partners name: found, and asked what options and secrets of their own they take."""

import msgspec
from msgspec.structs import FieldInfo, fields, replace

from talaria.adapters import partners
from talaria.adapters.partner_kit.context import options_of, secret_names
from talaria.adapters.partners import Adapter, BadAdapter
from talaria.domain.model import HOPS, PHONE_HOPS, Hop
from talaria.entrypoints.config.problems import Refuse, did_you_mean, one_of, path
from talaria.entrypoints.config.settings import PartnerSettings, Settings, TrialSettings


def read_adapters(settings: Settings, refuse: Refuse) -> Settings:
    """The settings with `found` and `adapter_options` filled in, as far as they are good."""
    found = {id: read_partner(f"partners.{id}", partner, refuse) for id, partner in settings.partners.items()}
    return replace(settings, partners=found)


def read_partner(at: str, partner: PartnerSettings, refuse: Refuse) -> PartnerSettings:
    """The same of one partner; its table is at this key path."""
    partner = _partner(at, partner, refuse)
    tried = {role: trial for role in ("shadow", "canary") if (trial := getattr(partner, role)) is not None}
    trials = {role: _on_trial(f"{at}.{role}", partner, trial, role, refuse) for role, trial in tried.items()}
    return replace(partner, trials=trials)


def _on_trial(at: str, partner: PartnerSettings, trial: TrialSettings, role: str, refuse: Refuse) -> PartnerSettings:
    """The partner with the adapter that is on trial."""
    own = {name: getattr(trial, name) or getattr(partner, name) for name in ("url", "options", "secrets")}
    found = replace(partner, role=role, adapter=trial.adapter, found=None, **own)
    found = _partner(at, found, refuse)
    if found.found is None:
        return found
    if role == "shadow" and not getattr(found.found.kind, "side_effect_free", False):
        wrong = f'the adapter "{trial.adapter}" does not say that to ask it changes nothing'
        refuse(f"{at}.adapter", wrong, "a shadow's class has side_effect_free = True; else try it as a canary")
    if partner.found is not None and _hops(found.found) != _hops(partner.found):
        wrong = f'the adapter "{trial.adapter}" asks for another kind of identity than "{partner.adapter}"'
        refuse(f"{at}.adapter", wrong, "give it a partner and a route of its own")
    return found


def _hops(adapter: Adapter) -> tuple[Hop, ...]:
    return tuple(getattr(adapter.kind, "hops", PHONE_HOPS))


def _partner(at: str, partner: PartnerSettings, refuse: Refuse) -> PartnerSettings:
    try:
        found = partners.find(partner.adapter)
    except LookupError:
        wrong = f'there is no adapter "{partner.adapter}"'
        refuse(f"{at}.adapter", wrong, did_you_mean(partner.adapter, partners.known()))
        return partner
    except BadAdapter as bad:
        hint = "install another version of it, or name another adapter"
        refuse(f"{at}.adapter", f'the adapter "{partner.adapter}" can\'t be used: {bad}', hint)
        return partner
    if getattr(found.kind, "api_key_required", False) and partner.api_key is None:
        refuse(
            path(at.removesuffix(f".{partner.role}"), "api_key"),
            "this key is missing",
            "write api_key = ... (the key that the partner gave us)",
        )
    if _hops(found) not in HOPS:
        wrong = f'the adapter "{partner.adapter}" has hops that this gateway has not'
        refuse(f"{at}.adapter", wrong, "install another version of it, or name another adapter")
    return replace(partner, found=found, adapter_options=_options(at, partner, found, refuse))


def _options(at: str, partner: PartnerSettings, found: Adapter, refuse: Refuse) -> msgspec.Struct | None:
    shape: type[msgspec.Struct] | None = getattr(found.kind, "Options", None)
    keys = {field.encode_name: field for field in fields(shape)} if shape is not None else {}
    secrets = secret_names(shape) if shape is not None else frozenset()
    given = {"secrets": partner.secrets, "options": partner.options}
    problems = 0
    for table, takes in (("secrets", keys.keys()), ("options", keys.keys() - secrets)):
        for name in given[table].keys() - takes:
            wrong = f'the adapter "{partner.adapter}" has no such {table.removesuffix("s")}'
            hint = "write it under secrets" if name in keys else did_you_mean(name, takes) if takes else one_of(())
            refuse(f"{at}.{table}.{name}", wrong, hint)
            problems += 1
    for name, field in keys.items():
        if name in partner.secrets and name in partner.options and name not in secrets:
            refuse(f"{at}.secrets.{name}", "this stands under options too", "leave one of the two out")
            problems += 1
        elif name in partner.options and name not in secrets:
            problems += not _fits(f"{at}.options.{name}", partner.options[name], field, refuse)
        elif name not in partner.secrets and field.required:
            table = "secrets" if name in secrets else "options"
            refuse(f"{at}.{table}.{name}", "this key is missing", f'the adapter "{partner.adapter}" needs it')
            problems += 1
    if shape is None or problems:
        return None
    try:
        return options_of(shape, {**partner.options, **partner.secrets})
    except (msgspec.ValidationError, ValueError) as error:
        said = str(error)
        for secret in partner.secrets.values():
            said = said.replace(secret.reveal(), "***")
        refuse(f"{at}.options", f"the adapter refuses them ({said})", "see what the adapter's Options say")
        return None


def _fits(key: str, value: object, field: FieldInfo, refuse: Refuse) -> bool:
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        refuse(key, str(error), "write what the adapter's Options say")
        return False
    return True
