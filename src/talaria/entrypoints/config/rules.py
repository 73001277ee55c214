"""What no single value shows: names that must exist, values that two tables may not share."""

import itertools
from collections.abc import Callable, Collection, Iterable

from msgspec.structs import replace

from talaria.domain.headers import HeaderPolicy, canonical_name
from talaria.entrypoints.config import callers
from talaria.entrypoints.config.decode import sound
from talaria.entrypoints.config.findings import Findings
from talaria.entrypoints.config.problems import did_you_mean
from talaria.entrypoints.config.settings import PartnerSettings, RouteSettings, Settings

_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on
_MEANT_FOR_SOMETHING_ELSE = frozenset(
    canonical_name(name)
    for name in b"accept accept-encoding accept-language cache-control content-encoding content-type cookie date"
    b" origin range referer server set-cookie user-agent".split()
)


def fill_in(settings: Settings) -> Settings:
    """The defaults that follow from names: a partner's adapter and header, a route's callers."""
    partners = {id: _fill_partner(partner) for id, partner in settings.partners.items()}
    routes = {
        tag: replace(route, callers=callers.fitting(route, settings.callers) if route.callers == () else route.callers)
        for tag, route in settings.routes.items()
    }
    return replace(settings, partners=partners, routes=routes)


def _fill_partner(partner: PartnerSettings) -> PartnerSettings:
    return replace(
        partner,
        adapter=partner.id if partner.adapter == "" else partner.adapter,
        user_id_header=default_header(partner.id) if partner.user_id_header == "" else partner.user_id_header,
    )


def default_header(partner: str) -> str:
    """The header that names a partner's user where the configuration says nothing else."""
    return f"x-{partner}-user-id"


def check(settings: Settings, known_adapters: Collection[str], findings: Findings) -> None:
    """Add whatever breaks a rule. Values that are BROKEN are passed over: they are listed already."""
    for rule in _RULES:
        rule(settings, findings)
    _adapters(settings, known_adapters, findings)


def _something_to_serve(settings: Settings, findings: Findings) -> None:
    for section in ("callers", "partners", "upstreams", "routes"):
        if not getattr(settings, section) and not findings.has(section):
            findings.refuse(section, "there is none", f"write at least one table [{section}.<name>]")


def _listeners(settings: Settings, findings: Findings) -> None:
    public, ops = settings.server.listen, settings.server.ops_listen
    if not sound(public, ops) or public.port != ops.port or not public.port:
        return
    if public.host == ops.host or _ANY_ADDRESS & {public.host, ops.host}:
        findings.refuse("server.ops_listen", "this is where the public listener is", "choose another port")


def _issuers(settings: Settings, findings: Findings) -> None:
    seen: dict[str, str] = {}
    for name, caller in settings.callers.items():
        at = f"callers.{name}.issuer"
        if not sound(caller.issuer) or caller.issuer == "":
            continue
        if caller.issuer in seen:
            wrong = f"callers.{seen[caller.issuer]} has the same issuer"
            findings.refuse(at, wrong, "give each issuer one table, for it alone selects the caller")
        if caller.issuer == settings.signing.issuer:
            findings.refuse(at, "this is signing.issuer", "our own tokens are no caller's: change one of the two")
        seen.setdefault(caller.issuer, name)


def _adapters(settings: Settings, known: Collection[str], findings: Findings) -> None:
    for id, partner in settings.partners.items():
        if sound(partner.adapter) and partner.adapter not in known:
            wrong = f'there is no adapter "{partner.adapter}"'
            findings.refuse(f"partners.{id}.adapter", wrong, did_you_mean(partner.adapter, known))


def _user_id_headers(settings: Settings, findings: Findings) -> None:
    for id, partner in settings.partners.items():
        header = partner.user_id_header
        if sound(header) and not findings.has(f"partners.{id}") and _is_reserved(header.encode()):
            wrong = f'the gateway, or HTTP, has another use for "{header}"'
            findings.refuse(f"partners.{id}.user_id_header", wrong, 'write a name such as "x-scooter-user"')
    for one, other in itertools.combinations(settings.partners.values(), 2):
        if _names(one) & _names(other):
            wrong = f"partners.{one.id} has this header, or one that some servers take for it"
            findings.refuse(f"partners.{other.id}.user_id_header", wrong, "give each partner its own")


def _names(partner: PartnerSettings) -> set[bytes]:
    names = {default_header(partner.id)}
    if sound(partner.user_id_header):
        names.add(partner.user_id_header)
    return {canonical_name(name.encode()) for name in names}


def _is_reserved(name: bytes) -> bool:
    """Whether the gateway would not pass this header on, had a client sent it; or everybody would misread it."""
    header = (name, b"")
    passed_on = HeaderPolicy(()).filter_request([(b"host", b"h"), header]).forwarded if name != b"host" else []
    return header not in passed_on or canonical_name(name) in _MEANT_FOR_SOMETHING_ELSE


def _routes(settings: Settings, findings: Findings) -> None:
    for tag, route in settings.routes.items():
        if route.partner != "":
            _refer(f"routes.{tag}.partner", "partner", [route.partner], settings.partners, findings)
        _refer(f"routes.{tag}.upstream", "upstream", [route.upstream], settings.upstreams, findings)
        _refer_to_callers(tag, route, settings, findings)


def _refer_to_callers(tag: str, route: RouteSettings, settings: Settings, findings: Findings) -> None:
    if sound(route.callers):
        _refer(f"routes.{tag}.callers", "caller", route.callers, settings.callers, findings)


def _refer(at: str, kind: str, names: Iterable[str], known: Collection[str], findings: Findings) -> None:
    for name in names:
        if sound(name) and name not in known:
            findings.refuse(at, f'there is no {kind} "{name}"', did_you_mean(name, known))


_RULES: tuple[Callable[[Settings, Findings], None], ...] = (
    _something_to_serve,
    _listeners,
    _issuers,
    _user_id_headers,
    _routes,
    callers.check,
)
