"""What no single value shows: names that must exist, values that two tables may not share, what goes with what.

A caller with tokens names a person, one with an API key does not, and a route wants one kind.
"""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec.structs import replace

from talaria.domain.headers import HeaderPolicy, canonical_name
from talaria.entrypoints.config.problems import Diagnostics, did_you_mean
from talaria.entrypoints.config.settings import CallerSettings, PartnerSettings, RouteSettings, Settings

_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on
_MEANT_FOR_SOMETHING_ELSE = frozenset(
    canonical_name(name)
    for name in b"accept accept-encoding accept-language cache-control content-encoding content-type cookie date"
    b" origin range referer server set-cookie user-agent".split()
)
_CALLER_DEFAULTS = CallerSettings()
_OF_TOKENS = ("audience", "algorithms", "phone_id_claim", "leeway", "max_lifetime")
_OF_THE_URL = ("jwks_timeout", "jwks_tls", "egress_proxy")
_NO_PERSONS_CLAIM = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})


def fill_in(settings: Settings) -> Settings:
    """The defaults that follow from names: a partner's adapter and header, a route's callers."""
    partners = {
        id: replace(
            partner,
            adapter=partner.adapter or id,
            user_id_header=partner.user_id_header or _default_header(id),
        )
        for id, partner in settings.partners.items()
    }
    routes = {
        tag: replace(route, callers=route.callers or _fitting(route, settings.callers))
        for tag, route in settings.routes.items()
    }
    return replace(settings, partners=partners, routes=routes)


def _default_header(partner: str) -> str:
    return f"x-{partner}-user-id"


def _has_api_key(caller: CallerSettings) -> bool:
    return caller.api_key is not None


def _fitting(route: RouteSettings, callers: Mapping[str, CallerSettings]) -> tuple[str, ...]:
    """The callers that this route could admit."""
    return tuple(name for name, caller in callers.items() if _has_api_key(caller) == (route.identity == "none"))


def check(settings: Settings, known_adapters: Collection[str], diagnostics: Diagnostics) -> None:
    """Add the problem of each rule that is broken."""
    for rule in _RULES:
        rule(settings, diagnostics)
    for id, partner in settings.partners.items():
        _refer(f"partners.{id}.adapter", "adapter", [partner.adapter], known_adapters, diagnostics)


def _something_to_serve(settings: Settings, diagnostics: Diagnostics) -> None:
    for section in ("callers", "partners", "upstreams", "routes"):
        if not getattr(settings, section):
            diagnostics.refuse(section, "there is none", f"write at least one table [{section}.<name>]")


def _listeners(settings: Settings, diagnostics: Diagnostics) -> None:
    public, ops = settings.server.listen, settings.server.ops_listen
    if public.port != ops.port or not public.port:
        return
    if public.host == ops.host or _ANY_ADDRESS & {public.host, ops.host}:
        diagnostics.refuse("server.ops_listen", "this is where the public listener is", "choose another port")


def _issuers(settings: Settings, diagnostics: Diagnostics) -> None:
    seen: dict[str, str] = {}
    for name, caller in settings.callers.items():
        at = f"callers.{name}.issuer"
        if caller.issuer in seen:
            wrong = f"callers.{seen[caller.issuer]} has the same issuer"
            diagnostics.refuse(at, wrong, "give each issuer one table, for it alone selects the caller")
        if caller.issuer == settings.signing.issuer:
            diagnostics.refuse(at, "this is signing.issuer", "our own tokens are no caller's: change one of the two")
        if caller.issuer:
            seen.setdefault(caller.issuer, name)


def _callers(settings: Settings, diagnostics: Diagnostics) -> None:
    for name, caller in settings.callers.items():
        at = f"callers.{name}"
        if _has_api_key(caller):
            _has_no_tokens(at, caller, diagnostics)
            continue
        if not caller.issuer:
            diagnostics.refuse(f"{at}.issuer", "this key is missing", "write issuer = ... (the `iss` of its tokens)")
        if caller.phone_id_claim.partition(".")[0] in _NO_PERSONS_CLAIM:
            wrong = f'"{caller.phone_id_claim}" says something of the token, and of no person'
            diagnostics.refuse(f"{at}.phone_id_claim", wrong, "name a claim that tells persons apart")
        if caller.jwks_url is None:
            wrong, hint = "nothing is fetched without a jwks_url", "leave it out, or write a jwks_url"
            _refuse_changed(at, caller, _OF_THE_URL, wrong, hint, diagnostics)


def _has_no_tokens(at: str, caller: CallerSettings, diagnostics: Diagnostics) -> None:
    """What is set for tokens would be looked at nowhere."""
    if caller.issuer:
        diagnostics.refuse(f"{at}.issuer", "a caller with an API key has no tokens", "leave one of the two out")
    wrong = "a caller with an API key has no tokens, so this says nothing"
    hint = "leave it out; `networks` says where the key may come from"
    _refuse_changed(at, caller, (*_OF_TOKENS, *_OF_THE_URL), wrong, hint, diagnostics)


def _refuse_changed(
    at: str, caller: CallerSettings, keys: Iterable[str], wrong: str, hint: str, diagnostics: Diagnostics
) -> None:
    for key in keys:
        if getattr(caller, key) != getattr(_CALLER_DEFAULTS, key):
            diagnostics.refuse(f"{at}.{key}", wrong, hint)


def _api_keys(settings: Settings, diagnostics: Diagnostics) -> None:
    seen: dict[object, str] = {}
    for name, caller in settings.callers.items():
        for key in caller.api_key or ():
            if key in seen:
                hint = "give each caller its own, for it selects the caller"
                diagnostics.refuse(f"callers.{name}.api_key", f"callers.{seen[key]} has the same API key", hint)
            seen.setdefault(key, name)


def _user_id_headers(settings: Settings, diagnostics: Diagnostics) -> None:
    for id, partner in settings.partners.items():
        if _is_reserved(partner.user_id_header.encode()):
            wrong = f'the gateway, or HTTP, has another use for "{partner.user_id_header}"'
            diagnostics.refuse(f"partners.{id}.user_id_header", wrong, 'write a name such as "x-scooter-user"')
    for one, other in itertools.combinations(settings.partners.values(), 2):
        if _names(one) & _names(other):
            wrong = f"partners.{one.id} has this header, or one that some servers take for it"
            diagnostics.refuse(f"partners.{other.id}.user_id_header", wrong, "give each partner its own")


def _names(partner: PartnerSettings) -> set[bytes]:
    return {canonical_name(name.encode()) for name in (_default_header(partner.id), partner.user_id_header)}


def _is_reserved(name: bytes) -> bool:
    """Whether the gateway would not pass this header on, had a client sent it; or servers would misread it."""
    header = (name, b"")
    passed_on = HeaderPolicy(()).filter_request([(b"host", b"h"), header]).forwarded if name != b"host" else []
    return header not in passed_on or canonical_name(name) in _MEANT_FOR_SOMETHING_ELSE


def _routes(settings: Settings, diagnostics: Diagnostics) -> None:
    for tag, route in settings.routes.items():
        at = f"routes.{tag}"
        if route.partner:
            _refer(f"{at}.partner", "partner", [route.partner], settings.partners, diagnostics)
        elif route.identity == "required":
            hint = "write partner = ... (the table under [partners])"
            diagnostics.refuse(f"{at}.partner", "this key is missing", hint)
        _refer(f"{at}.upstream", "upstream", [route.upstream], settings.upstreams, diagnostics)
        _refer(f"{at}.callers", "caller", route.callers, settings.callers, diagnostics)
        if diagnostics.is_valid(f"{at}.identity"):
            _kinds(f"{at}.callers", route, settings.callers, diagnostics)


def _refer(at: str, kind: str, names: Iterable[str], known: Collection[str], diagnostics: Diagnostics) -> None:
    for name in names:
        if name not in known:
            diagnostics.refuse(at, f'there is no {kind} "{name}"', did_you_mean(name, known))


def _kinds(at: str, route: RouteSettings, callers: Mapping[str, CallerSettings], diagnostics: Diagnostics) -> None:
    wanted = "an API key" if route.identity == "none" else "tokens"
    hint = 'write identity = "none" for callers with an api_key, "required" for those with tokens'
    fitting = _fitting(route, callers)
    if not route.callers and callers:
        diagnostics.refuse(at, f"there is no caller with {wanted}", hint)
    for name in route.callers:
        if name in callers and name not in fitting:
            wrong = f'identity = "{route.identity}" needs callers with {wanted}, and "{name}" has none'
            diagnostics.refuse(at, wrong, hint)


_RULES: tuple[Callable[[Settings, Diagnostics], None], ...] = (
    _something_to_serve,
    _listeners,
    _issuers,
    _user_id_headers,
    _routes,
    _callers,
    _api_keys,
)
