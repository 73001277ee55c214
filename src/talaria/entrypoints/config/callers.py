"""Who may use what: a caller with tokens names a person, one with an API key does not, and a route wants one kind."""

from collections.abc import Mapping

from talaria.entrypoints.config.decode import sound
from talaria.entrypoints.config.findings import Findings
from talaria.entrypoints.config.settings import CallerSettings, RouteSettings, Settings

_DEFAULTS = CallerSettings()
_OF_THE_URL = ("jwks_timeout", "jwks_tls", "egress_proxy")
_OF_THE_TOKEN = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})


def has_api_key(caller: CallerSettings) -> bool:
    """Whether this caller shows an API key, and no tokens."""
    return caller.api_key is not None


def fitting(route: RouteSettings, callers: Mapping[str, CallerSettings]) -> tuple[str, ...]:
    """The callers that this route could admit."""
    return tuple(name for name, caller in callers.items() if has_api_key(caller) == (route.identity == "none"))


def check(settings: Settings, findings: Findings) -> None:
    """Add whatever is wrong with who may use what."""
    for name, caller in settings.callers.items():
        _issuer(f"callers.{name}.issuer", caller, findings)
        if has_api_key(caller):
            _rules_of_tokens(f"callers.{name}", caller, findings)
        elif sound(caller.phone_id_claim) and caller.phone_id_claim.partition(".")[0] in _OF_THE_TOKEN:
            wrong = f'"{caller.phone_id_claim}" says something of the token, and of no person'
            findings.refuse(f"callers.{name}.phone_id_claim", wrong, "name a claim that tells persons apart")
        if not has_api_key(caller):
            _of_the_url(f"callers.{name}", caller, findings)
    _api_keys(settings, findings)
    for tag, route in settings.routes.items():
        if sound(route.identity):
            _route(tag, route, settings, findings)


def _issuer(at: str, caller: CallerSettings, findings: Findings) -> None:
    if has_api_key(caller) and caller.issuer != "":
        findings.refuse(at, "a caller with an API key has no tokens", "leave one of the two out")
    if not has_api_key(caller) and caller.issuer == "":
        findings.refuse(at, "this key is missing", "write issuer = ... (the `iss` of its tokens)")


def _rules_of_tokens(at: str, caller: CallerSettings, findings: Findings) -> None:
    """Whoever writes these expects them to be looked at."""
    for key in ("audience", "algorithms", "phone_id_claim", "leeway", "max_lifetime", *_OF_THE_URL):
        value = getattr(caller, key)
        if sound(value) and value != getattr(_DEFAULTS, key):
            wrong = "a caller with an API key has no tokens, so this says nothing"
            findings.refuse(f"{at}.{key}", wrong, "leave it out; `networks` says where the key may come from")


def _of_the_url(at: str, caller: CallerSettings, findings: Findings) -> None:
    for key in _OF_THE_URL if caller.jwks_url is None else ():
        value = getattr(caller, key)
        if sound(value) and value != getattr(_DEFAULTS, key):
            findings.refuse(f"{at}.{key}", "nothing is fetched without a jwks_url", "leave it out, or write a jwks_url")


def _api_keys(settings: Settings, findings: Findings) -> None:
    seen: dict[object, str] = {}
    for name, caller in settings.callers.items():
        for key in (caller.api_key or ()) if sound(caller.api_key) else ():
            if key in seen:
                wrong = f"callers.{seen[key]} has the same API key"
                findings.refuse(f"callers.{name}.api_key", wrong, "give each caller its own, for it selects the caller")
            seen.setdefault(key, name)


def _route(tag: str, route: RouteSettings, settings: Settings, findings: Findings) -> None:
    if route.identity == "required" and route.partner == "":
        findings.refuse(
            f"routes.{tag}.partner", "this key is missing", "write partner = ... (the table under [partners])"
        )
    if not sound(route.callers):
        return
    wanted = "an API key" if route.identity == "none" else "tokens"
    if not route.callers and settings.callers:
        findings.refuse(f"routes.{tag}.callers", f"there is no caller with {wanted}", _INSTEAD)
    for name in route.callers:
        if sound(name) and name in settings.callers and name not in fitting(route, settings.callers):
            wrong = f'identity = "{route.identity}" needs callers with {wanted}, and "{name}" has none'
            findings.refuse(f"routes.{tag}.callers", wrong, _INSTEAD)


_INSTEAD = 'write identity = "none" for callers with an api_key, "required" for those with tokens'
