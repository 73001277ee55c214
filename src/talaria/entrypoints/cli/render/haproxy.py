"""HAProxy: Lua asks Talaria as an edge, `balance hash` on the token's claims as a balancer."""

import re
from collections.abc import Sequence
from zlib import crc32

from talaria.entrypoints.cli.render.facts import EdgeUpstream, Endpoint, Facts, Missing
from talaria.entrypoints.cli.render.template import fill
from talaria.entrypoints.config import Problem

SCRIPT = "decide.lua"

_PATH = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_SPARE = 16 << 10
_LEAST_BUFFER = 32 << 10
_ASKS = 4
"""How often HAProxy asks before it gives up."""


def balance(facts: Facts) -> str:
    """The whole configuration of a balancer. Raises Missing for a claim that HAProxy can't read."""
    _check_claims(facts)
    claims = [
        f"http-request set-var(txn.person) http_auth_bearer,jwt_payload_query('$.{path}')"
        f" if {{ var(txn.iss) -m str {_quoted(issuer)} }}"
        for issuer, path in facts.claims.items()
    ]
    ops_port, ids = facts.settings.server.ops_listen.port, _ids(facts.gateways)
    values = {
        **_limits(facts),
        "claims": claims,
        "replicas": [f"server {_name(one)} {one} id {ids[one]} check port {ops_port}" for one in facts.gateways],
        "tls": "ssl verify required ca-file @system-ca no-check-ssl" if facts.gateways[0].scheme == "https" else "",
        "idle_timeout": _milliseconds(facts.read_timeout),
    }
    return fill("haproxy-balance.cfg", values)


def edge(facts: Facts) -> str:
    """The whole configuration of an edge."""
    values = {
        **_limits(facts),
        "about": [],
        "bufsize": str(max(_LEAST_BUFFER, facts.settings.server.header_limit + _SPARE)),
        "script": facts.script,
        "decisions": f"http://{facts.decisions[0]}",
        "decision_milliseconds": str(round(facts.decision_timeout * 1000 / _ASKS)),
        "users": facts.user_id_headers,
        "hidden": [f"http-response del-header {name}" for name in _hidden(facts)],
        "use_backends": [
            f"use_backend {_backend(one)} if {{ req.hdr(x-api-tag) -m str {' '.join(one.tags)} }}"
            for one in facts.upstreams
        ],
        "gateway_servers": [f"server {_name(one)} {one}{_tls(one, None)}" for one in facts.gateways],
        "backends": [line for one in facts.upstreams for line in _backend_of(one)],
        "connect_timeout": _milliseconds(facts.connect_timeout),
        "read_timeout": _milliseconds(facts.read_timeout),
    }
    return fill("haproxy-edge.cfg", values)


def _check_claims(facts: Facts) -> None:
    hint = "HAProxy reads a path of letters, digits, dashes and underscores: take nginx or Envoy"
    problems = [
        Problem(f"callers.{name}.phone_id_claim", f'HAProxy can\'t read the claim "{caller.phone_id_claim}"', hint)
        for name, caller in facts.settings.callers.items()
        if caller.api_key is None and not _PATH.fullmatch(caller.phone_id_claim)
    ]
    if problems:
        raise Missing(*problems)


def _ids(endpoints: Sequence[Endpoint]) -> dict[Endpoint, int]:
    """A place on the ring for each, which follows from its address alone unless two would have the same."""
    ids: dict[Endpoint, int] = {}
    for endpoint in sorted(endpoints, key=str):
        place = crc32(str(endpoint).encode()) & 0x3FFFFFFF or 1
        while place in ids.values():
            place += 1
        ids[endpoint] = place
    return ids


def _limits(facts: Facts) -> dict[str, str | Sequence[str]]:
    server = facts.settings.server
    return {
        "command": facts.command,
        "listen": str(facts.listen),
        "header_timeout": _milliseconds(server.header_timeout),
        "keepalive_timeout": _milliseconds(server.keepalive_timeout),
    }


def _hidden(facts: Facts) -> list[str]:
    return ["authorization", "x-api-key", "x-talaria-unknown-user", *facts.user_id_headers]


def _backend(upstream: EdgeUpstream) -> str:
    return f"upstream_{upstream.name}"


def _backend_of(upstream: EdgeUpstream) -> list[str]:
    return [
        f"backend {_backend(upstream)}",
        "    balance leastconn",
        "    default-server init-addr last,libc,none resolvers system",
        f"    http-request set-header host {upstream.endpoints[0].authority}",
        *(f"    server {_name(one)} {one}{_tls(one, upstream)}" for one in upstream.endpoints),
        "",
    ]


def _tls(endpoint: Endpoint, upstream: EdgeUpstream | None) -> str:
    if endpoint.scheme != "https":
        return ""
    ca_file = "@system-ca" if upstream is None or upstream.ca_file is None else str(upstream.ca_file)
    certificate = "" if upstream is None or upstream.cert_file is None else f" crt {upstream.cert_file}"
    return f" ssl verify required ca-file {ca_file} sni str({endpoint.host}) verifyhost {endpoint.host}{certificate}"


def _name(endpoint: Endpoint) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", str(endpoint))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
