"""What no single value shows: names that must exist, values that two tables may not share, what goes with what.

A caller with tokens names a person, one with an API key does not, and a route wants one kind.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from importlib.util import find_spec
from itertools import combinations

from msgspec.structs import replace

from talaria.domain.headers import HeaderPolicy, canonical_name
from talaria.entrypoints.config.problems import Refuse, did_you_mean
from talaria.entrypoints.config.settings import (
    CallerSettings,
    PartnerSettings,
    RecheckSettings,
    RouteSettings,
    Settings,
)

_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on
_MEANT_FOR_SOMETHING_ELSE = frozenset(
    canonical_name(name)
    for name in b"accept accept-encoding accept-language cache-control content-encoding content-type cookie date"
    b" origin range referer server set-cookie user-agent".split()
)
_DEFAULTS = CallerSettings()
_OF_TOKENS = ("audience", "algorithms", "phone_id_claim", "leeway", "max_lifetime", "person_rate_limit")
_OF_JWKS_URL = ("jwks_timeout", "jwks_tls", "egress_proxy")
_NO_PERSONS_CLAIM = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
_EXPORTER = "opentelemetry.exporter.otlp.proto.http"
_KINDS_HINT = 'write identity = "none" for callers with an api_key, "required" for those with tokens'


def fill_in(settings: Settings) -> Settings:
    """Each table's own name, and the defaults that follow from names."""

    def partner(id: str, one: PartnerSettings) -> PartnerSettings:
        header = one.user_id_header or _default_header(id)
        return replace(one, id=id, adapter=one.adapter or id, user_id_header=header)

    def route(tag: str, one: RouteSettings) -> RouteSettings:
        return replace(one, tag=tag, callers=one.callers or _fitting(one, settings.callers))

    return replace(
        settings,
        callers={name: replace(one, name=name) for name, one in settings.callers.items()},
        partners={id: partner(id, one) for id, one in settings.partners.items()},
        upstreams={name: replace(one, name=name) for name, one in settings.upstreams.items()},
        routes={tag: route(tag, one) for tag, one in settings.routes.items()},
    )


def _default_header(partner: str) -> str:
    return f"x-{partner}-user-id"


def _fitting(route: RouteSettings, callers: Mapping[str, CallerSettings]) -> tuple[str, ...]:
    """The callers that this route could admit."""
    without_person = route.identity == "none"
    return tuple(name for name, caller in callers.items() if (caller.api_key is not None) == without_person)


def check(settings: Settings, refuse: Refuse) -> None:
    """Refuse what breaks a rule."""
    for rule in _RULES:
        rule(settings, refuse)


def _something_to_serve(settings: Settings, refuse: Refuse) -> None:
    for section in ("callers", "partners", "upstreams", "routes"):
        if not getattr(settings, section):
            refuse(section, "there is none", f"write at least one table [{section}.<name>]")


def _listeners(settings: Settings, refuse: Refuse) -> None:
    server = settings.server
    listeners = [("public", "listen", server.listen), ("operators'", "ops_listen", server.ops_listen)]
    if server.decision_listen is not None:
        listeners.append(("decision", "decision_listen", server.decision_listen))
        if not server.trusted_edges:
            hint = 'write the networks of the edge proxies that may ask, such as ["10.0.0.0/8"]'
            refuse("server.trusted_edges", "with decision_listen set, no edge may ask", hint)
    for (name, _, one), (_, key, other) in combinations(listeners, 2):
        same_host = one.host == other.host or _ANY_ADDRESS & {one.host, other.host}
        if same_host and one.port == other.port and one.port:
            refuse(f"server.{key}", f"this is where the {name} listener is", "choose another port")


def _callers(settings: Settings, refuse: Refuse) -> None:
    for name, caller in settings.callers.items():
        if caller.api_key is not None:
            _caller_with_api_key(f"callers.{name}", caller, refuse)
        else:
            _caller_with_tokens(f"callers.{name}", caller, refuse)
        if caller.issuer and caller.issuer == settings.signing.issuer:
            hint = "our own tokens are no caller's: change one of the two"
            refuse(f"callers.{name}.issuer", "this is signing.issuer", hint)


def _caller_with_tokens(at: str, caller: CallerSettings, refuse: Refuse) -> None:
    if not caller.issuer:
        refuse(f"{at}.issuer", "this key is missing", "write issuer = ... (the `iss` of its tokens)")
    if caller.phone_id_claim.partition(".")[0] in _NO_PERSONS_CLAIM:
        wrong = f'"{caller.phone_id_claim}" says something of the token, and of no person'
        refuse(f"{at}.phone_id_claim", wrong, "name a claim that tells persons apart")
    if caller.jwks_url is None:
        for key in _set_in(caller, _OF_JWKS_URL):
            refuse(f"{at}.{key}", "nothing is fetched without a jwks_url", "leave it out, or write a jwks_url")


def _caller_with_api_key(at: str, caller: CallerSettings, refuse: Refuse) -> None:
    if caller.issuer:
        refuse(f"{at}.issuer", "a caller with an API key has no tokens", "leave one of the two out")
    for key in _set_in(caller, _OF_TOKENS + _OF_JWKS_URL):
        wrong = "a caller with an API key has no tokens, so this says nothing"
        refuse(f"{at}.{key}", wrong, "leave it out; `networks` says where the key may come from")


def _set_in(caller: CallerSettings, keys: Iterable[str]) -> list[str]:
    return [key for key in keys if getattr(caller, key) != getattr(_DEFAULTS, key)]


def _unique_values(settings: Settings, refuse: Refuse) -> None:
    callers = settings.callers.items()
    for name, other in _doubles((name, one.issuer) for name, one in callers if one.issuer):
        hint = "give each issuer one table, for it alone selects the caller"
        refuse(f"callers.{name}.issuer", f"callers.{other} has the same issuer", hint)
    for name, other in _doubles((name, key) for name, one in callers for key in one.api_key or ()):
        hint = "give each caller its own, for it selects the caller"
        refuse(f"callers.{name}.api_key", f"callers.{other} has the same API key", hint)


def _doubles(pairs: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str]]:
    """Each name with a value that an earlier one has, and that one."""
    seen: dict[object, str] = {}
    for name, value in pairs:
        if seen.setdefault(value, name) != name:
            yield name, seen[value]


def _user_id_headers(settings: Settings, refuse: Refuse) -> None:
    for id, partner in settings.partners.items():
        if _is_reserved(partner.user_id_header.encode()):
            wrong = f'the gateway, or HTTP, has another use for "{partner.user_id_header}"'
            refuse(f"partners.{id}.user_id_header", wrong, 'write a name such as "x-scooter-user"')
    named = ((one.id, name) for one in settings.partners.values() for name in _names(one))
    for id, other in dict(_doubles(named)).items():
        wrong = f"partners.{other} has this header, or one that some servers take for it"
        refuse(f"partners.{id}.user_id_header", wrong, "give each partner its own")


def _names(partner: PartnerSettings) -> set[bytes]:
    return {canonical_name(name.encode()) for name in (_default_header(partner.id), partner.user_id_header)}


def _is_reserved(name: bytes) -> bool:
    """Whether the gateway would not pass this header on, had a client sent it; or servers would misread it."""
    header = (name, b"")
    passed_on = HeaderPolicy(()).filter_request([(b"host", b"h"), header]).forwarded if name != b"host" else []
    return header not in passed_on or canonical_name(name) in _MEANT_FOR_SOMETHING_ELSE


def _routes(settings: Settings, refuse: Refuse) -> None:
    for tag, route in settings.routes.items():
        at = f"routes.{tag}"
        if route.partner:
            _refer(f"{at}.partner", "partner", [route.partner], settings.partners, refuse)
        elif route.identity == "required":
            refuse(f"{at}.partner", "this key is missing", "write partner = ... (the table under [partners])")
        _refer(f"{at}.upstream", "upstream", [route.upstream], settings.upstreams, refuse)
        _refer(f"{at}.callers", "caller", route.callers, settings.callers, refuse)
        if route.identity:
            _kinds(f"{at}.callers", route, settings.callers, refuse)
        _recheck(f"{at}.recheck", route, refuse)


def _recheck(at: str, route: RouteSettings, refuse: Refuse) -> None:
    methods = route.recheck.methods
    if route.recheck != RecheckSettings() and route.identity == "none":
        refuse(at, 'identity = "none" exchanges nothing', "leave it out")
    elif route.recheck != RecheckSettings() and not methods:
        refuse(f"{at}.methods", "without a method max_age says nothing", 'write methods = ["POST"], or leave both out')
    for number, method in enumerate(methods):
        if route.methods and method not in route.methods:
            refuse(f"{at}.methods[{number}]", f"the route takes no {method}", "leave it out, or add it to its methods")


def _tracing(settings: Settings, refuse: Refuse) -> None:
    if settings.tracing.endpoint and not _is_installed(_EXPORTER):
        hint = "pip install 'talaria-proxy[otel]', or leave it out"
        refuse("tracing.endpoint", "the libraries that export spans are not installed", hint)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False


def _refer(at: str, kind: str, names: Iterable[str], known: Collection[str], refuse: Refuse) -> None:
    for name in names:
        if name not in known:
            refuse(at, f'there is no {kind} "{name}"', did_you_mean(name, known))


def _kinds(at: str, route: RouteSettings, callers: Mapping[str, CallerSettings], refuse: Refuse) -> None:
    wanted = "an API key" if route.identity == "none" else "tokens"
    if not route.callers and callers:
        refuse(at, f"there is no caller with {wanted}", _KINDS_HINT)
    for name in route.callers:
        if name in callers and name not in _fitting(route, callers):
            wrong = f'identity = "{route.identity}" needs callers with {wanted}, and "{name}" has none'
            refuse(at, wrong, _KINDS_HINT)


_RULES: tuple[Callable[[Settings, Refuse], None], ...] = (
    _something_to_serve,
    _listeners,
    _callers,
    _unique_values,
    _user_id_headers,
    _routes,
    _tracing,
)
