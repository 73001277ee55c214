"""nginx: auth_request as an edge, `hash` on what njs reads of the token as a balancer."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from talaria.entrypoints.cli.render.facts import EdgeUpstream, Endpoint, Facts
from talaria.entrypoints.cli.render.template import fill

SCRIPT = "person.js"
MODULE = "ngx_http_js_module.so"
_MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/etc/nginx/modules")

_ENCODED = (
    r"%(?:2[0-46-9a-dA-D]|[346][0-9a-fA-F]|5[0-9abd-fABD-F]|7[0-9a-eA-E]|[89abAB][0-9a-fA-F]|[cC][2-9a-fA-F]"
    r"|[dD][0-9a-fA-F]|[eE][1-9a-fA-F]|[fF][1-4])"
)
_SEGMENT = rf"(?:[A-Za-z0-9_~!&()*+,:@=-]|{_ENCODED})(?:[A-Za-z0-9._~!&()*+,:@=-]|{_ENCODED})*"
PLAIN_TARGET = rf"^/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?(?:\?[!$-\[\]-~]*)?$"
"""Targets that every server reads alike, though not all of those: any other is none of a kept decision's."""

_FAST = """\
# Fast: a yes is kept in memory for decision.max_age ({max_age}). A token's expiry, a caller's removal, an invalidation
# and a refusal are late by at most that. What has no kept or fresh yes goes to the gateway, which answers or forwards.
# The folder `decisions` holds tokens (the key stands in each file in clear): memory only, for nginx alone, such as
#   mkdir -m 0700 DIR/decisions && mount -t tmpfs -o size=64m,mode=0700,uid=USER tmpfs DIR/decisions"""
_KEY = "http_authorization http_x_api_key http_x_api_tag request_method http_host scheme remote_addr"
_KEY_BEHIND_PROXIES = "http_x_forwarded_for http_forwarded"
_NODE = r'map $remote_addr $talaria_node { "~:" "\"[$remote_addr]\""; default $remote_addr; }'
_REFUSAL_DECIDED = [
    "auth_request_set $talaria_reason $upstream_http_x_talaria_reason;",
    "auth_request_set $talaria_allow $upstream_http_allow;",
    "auth_request_set $talaria_retry_after $upstream_http_retry_after;",
]
_WITHOUT_BODY = [
    "proxy_method GET;",
    "proxy_pass_request_body off;",
    'proxy_set_header content-length "";',
    'proxy_set_header transfer-encoding "";',
    'proxy_set_header connection "";',
    'proxy_set_header upgrade "";',
    "proxy_connect_timeout 1s;",
    "proxy_read_timeout 2s;",
    "error_page 502 504 = @no_decision;",
]


def balance(facts: Facts) -> str:
    """The whole configuration of a balancer."""
    replicas = [f"server {gateway} max_fails=2 fail_timeout=2s;" for gateway in facts.gateways]
    values = {
        **_limits(facts),
        "script": facts.script,
        "load_module": _load_module(),
        "claims": json.dumps(facts.claims, separators=(",", ":")).replace("'", r"\u0027").replace("$", r"\u0024"),
        "replicas": replicas,
        "scheme": facts.gateways[0].scheme,
    }
    return fill("nginx-balance.conf", values)


def edge(facts: Facts, *, fast: bool) -> str:
    """The whole configuration of an edge. `fast`: a yes is kept for `decision.max_age`."""
    upstreams, users, forwarded = facts.upstreams, facts.user_id_headers, _forwarded(facts)
    values: dict[str, str | Sequence[str]] = {
        **_limits(facts),
        **(_fast(facts) if fast else _plain(facts)),
        "refusal_headers": _WITHOUT_BODY,
        "decision_servers": _servers(facts.decisions),
        "gateway_servers": _servers(facts.gateways),
        "gateway_scheme": facts.gateways[0].scheme,
        "upstreams": [
            f"upstream upstream_{one.name} {{ {_servers(one.endpoints)} keepalive 64; }}" for one in upstreams
        ],
        **_upstream(upstreams),
        **forwarded,
        "decided": [*forwarded["decided"], *([] if fast else _REFUSAL_DECIDED)],
        "users_decided": [f"auth_request_set {_variable(name)} $upstream_http_{_folded(name)};" for name in users],
        "users_sent": [
            *(f"proxy_set_header {name} {_variable(name)};" for name in users),
            *(f'proxy_set_header {name} "";' for name in facts.dropped),
        ],
        "users_hidden": [f"proxy_hide_header {name};" for name in users],
        "upstream_tls": _upstream_tls(upstreams),
        "decision_timeout": _milliseconds(facts.decision_timeout),
        "connect_timeout": _milliseconds(facts.connect_timeout),
    }
    return fill("nginx-edge.conf", values)


def _load_module() -> str:
    """Where packages of this machine have njs; else a hint."""
    found = [path for folder in _MODULES if (path := Path(folder) / MODULE).exists()]
    return f"load_module {found[0]};" if found else f"# load_module modules/{MODULE};"


def _plain(facts: Facts) -> dict[str, str | Sequence[str]]:
    refused = [
        "# auth_request knows 401, 403 and an error only: Talaria writes the answer itself. It is never a 2xx.",
        "location @refused {",
        "    set $talaria_way refused;",
        "    proxy_pass http://talaria_decisions/refusals/$talaria_reason?request_id=$talaria_id;",
        *(f"    {line}" for line in _WITHOUT_BODY),
        "    proxy_hide_header www-authenticate;  # nginx has copied the decision's",
        "    proxy_hide_header x-talaria-reason;",
        "    proxy_hide_header allow;",
        "    proxy_hide_header retry-after;",
        "    add_header allow $talaria_allow always;",
        "    add_header retry-after $talaria_retry_after always;",
        "}",
    ]
    told = [
        'map $talaria_reason $talaria_failed { default $talaria_reason; "" decision-failed; }',
        "map $talaria_way $talaria_told { refused $talaria_failed; default $talaria_reason; }",
        'map $talaria_way $talaria_origin { refused ""; default $talaria_way; }',
    ]
    return {
        "about": [],
        "told": told,
        "reason": "$talaria_told",
        "origin": "$talaria_origin",
        "request_id": _request_id("$request_id"),
        "decision_buffer": "16k",
        "cache": [],
        "kept": [],
        "to_gateway_map": [
            "# What the gateway serves itself: the key set of the service tokens.",
            'map "$uri $http_x_api_tag" $talaria_to_gateway { "/.well-known/jwks.json " 1; default 0; }',
        ],
        "refusals": "@refused",
        "refusal_location": refused,
        "gateway_headers": _gateway_headers(facts),
    }


def _fast(facts: Facts) -> dict[str, str | Sequence[str]]:
    max_age = f"{int(facts.settings.decision.max_age)}s"
    names = f"{_KEY} {_KEY_BEHIND_PROXIES}" if facts.settings.server.trusted_proxies else _KEY
    key = r"\n".join(f"${name}" for name in names.split())
    whole_job = [
        "location @gateway {",
        '    set $talaria_way "";',
        f"    proxy_pass {facts.gateways[0].scheme}://talaria_gateway;",
        *(f"    {line}" for line in _gateway_headers(facts)),
        "}",
    ]
    return {
        "about": _FAST.format(max_age=max_age).splitlines(),
        "told": [],
        "reason": "$talaria_reason",
        "origin": "$talaria_way",
        # nginx's own $request_id asks for random bytes, which costs more than all of a kept decision's variables.
        "request_id": _request_id("$msec-$pid-$connection-$connection_requests"),
        "decision_buffer": "8k",
        "cache": [
            "proxy_cache_path decisions levels=1:2 keys_zone=talaria:16m max_size=64m inactive=60s use_temp_path=off;",
            "# The files of kept decisions stay open.",
            "open_file_cache max=10000 inactive=60s;",
            "open_file_cache_valid 10s;",
        ],
        "kept": [
            "proxy_cache talaria;",
            "# nginx does not look at Vary: what a decision depends on is all in the key.",
            f'proxy_cache_key "{key}";',
            "proxy_ignore_headers Set-Cookie Vary;",
            "proxy_cache_lock on;",
            f"proxy_cache_lock_timeout {_milliseconds(facts.decision_timeout)};",
        ],
        "to_gateway_map": [
            "# A kept decision knows no target: one that servers might read differently goes to the gateway.",
            f'map $request_uri $talaria_to_gateway {{ default 1; "~{PLAIN_TARGET}" 0; }}',
        ],
        "refusals": "@gateway",
        "refusal_location": whole_job,
        "gateway_headers": _gateway_headers(facts),
    }


def _request_id(own: str) -> list[str]:
    form = '"~^[A-Za-z0-9._-]{1,64}$"'
    return [f'map $http_x_request_id $talaria_id {{ "" {own}; {form} $http_x_request_id; default {own}; }}']


def _gateway_headers(facts: Facts) -> list[str]:
    return [
        "proxy_set_header host $http_host;",
        'proxy_set_header connection "";',
        "proxy_set_header x-request-id $talaria_id;",
        "proxy_set_header x-forwarded-for $proxy_add_x_forwarded_for;",
        "proxy_set_header x-forwarded-proto $scheme;",
        "proxy_set_header x-forwarded-host $http_host;",
        "proxy_connect_timeout 1s;",
        f"proxy_read_timeout {_milliseconds(facts.read_timeout)};",
        f"proxy_send_timeout {_milliseconds(facts.read_timeout)};",
        "error_page 502 504 = @no_decision;",
    ]


def _limits(facts: Facts) -> dict[str, str | Sequence[str]]:
    server = facts.settings.server
    return {
        "command": facts.command,
        "listen": str(facts.listen),
        "header_limit": f"{-(-server.header_limit // 1024)}k",
        "header_timeout": _milliseconds(server.header_timeout),
        "keepalive_timeout": _milliseconds(server.keepalive_timeout),
        "body_limit": str(server.body_limit),
        "read_timeout": _milliseconds(facts.read_timeout),
    }


def _servers(endpoints: Sequence[Endpoint]) -> str:
    return " ".join(f"server {endpoint};" for endpoint in endpoints)


def _upstream(upstreams: Sequence[EdgeUpstream]) -> dict[str, str | Sequence[str]]:
    """Where a request goes: the decision says yes for its very tag, or it is not forwarded."""
    urls = {one: f"{one.endpoints[0].scheme}://upstream_{one.name}" for one in upstreams}
    if len(upstreams) == 1:
        return {"upstream_of_tags": [], "upstream": urls[upstreams[0]], "host": upstreams[0].endpoints[0].authority}
    hosts = {one: one.endpoints[0].authority for one in upstreams}
    any_tls = any(one.tls for one in upstreams)
    maps = [
        "# A request is forwarded only where the decision says yes for this very tag.",
        *_map_of_tags("$talaria_upstream", urls),
        *_map_of_tags("$talaria_host", hosts),
        *(_map_of_tags("$talaria_name", {one: one.endpoints[0].host for one in upstreams}) if any_tls else []),
    ]
    return {"upstream_of_tags": maps, "upstream": "$talaria_upstream", "host": "$talaria_host"}


def _map_of_tags(variable: str, values: Mapping[EdgeUpstream, str]) -> list[str]:
    lines = [f'    "{tag}" {value};' for upstream, value in values.items() for tag in upstream.tags]
    return [f"map $http_x_api_tag {variable} {{", *lines, f"    default {next(iter(values.values()))};", "}"]


def _forwarded(facts: Facts) -> dict[str, str | Sequence[str]]:
    """What the upstream is told of the client: nginx knows it, but for what proxies in front of it have said."""
    if not facts.settings.server.trusted_proxies:
        ip4_alone = facts.listen.host.replace(".", "").isdigit()  # no client's address has colons then
        node = "$remote_addr" if ip4_alone else "$talaria_node"
        element = rf"for={node};host=\"$http_host\";proto=$scheme"
        values = {"for": "$remote_addr", "proto": "$scheme", "host": "$http_host"}
        sent = [f"proxy_set_header x-forwarded-{name} {value};" for name, value in values.items()]
        return {
            "node": [] if ip4_alone else [_NODE],
            "forwarded": [f'proxy_set_header forwarded "{element}";', *sent],
            "decided": [],
        }
    names = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
    return {
        "node": [],
        "decided": [f"auth_request_set $talaria_{_folded(name)} $upstream_http_{_folded(name)};" for name in names],
        "forwarded": [f"proxy_set_header {name} $talaria_{_folded(name)};" for name in names],
    }


def _upstream_tls(upstreams: Sequence[EdgeUpstream]) -> list[str]:
    secure = [upstream for upstream in upstreams if upstream.tls]
    if not secure:
        return []
    first = secure[0]
    lines = [
        "proxy_ssl_server_name on;",
        f"proxy_ssl_name {first.endpoints[0].host if len(upstreams) == 1 else '$talaria_name'};",
        "proxy_ssl_verify on;",
        "proxy_ssl_verify_depth 4;",
        f"proxy_ssl_trusted_certificate {first.ca_file};",
    ]
    if first.cert_file is not None:
        lines += [f"proxy_ssl_certificate {first.cert_file};", f"proxy_ssl_certificate_key {first.key_file};"]
    return lines


def _variable(header: str) -> str:
    return f"$talaria_user_{_folded(header)}"


def _folded(header: str) -> str:
    return header.replace("-", "_")


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
