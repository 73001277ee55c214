"""Envoy: ext_authz over HTTP as an edge, Maglev on what Lua reads of the token as a balancer."""

import json
import re
from collections.abc import Sequence

from talaria.entrypoints.cli.render.facts import EdgeUpstream, Endpoint, Facts
from talaria.entrypoints.cli.render.template import fill

_OF_THE_EDGE = ("x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", "x-talaria-identity")
_DECIDED = (
    "authorization", "x-api-key", "x-api-tag", "x-request-id", "x-talaria-identity", "forwarded", "x-forwarded-for",
    "x-forwarded-proto", "x-forwarded-host",
)  # fmt: skip
_HIDDEN = ("authorization", "x-api-key", "x-talaria-unknown-user")
_TLS_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def balance(facts: Facts) -> str:
    """The whole configuration of a balancer."""
    claims = ", ".join(f"[{_lua(issuer)}] = {_lua(path.rpartition('.')[2])}" for issuer, path in facts.claims.items())
    port = facts.settings.server.ops_listen.port
    values = {
        **_limits(facts),
        "claims": claims,
        "type": _type(facts.gateways),
        "idle_timeout": _seconds(facts.read_timeout),
        "replicas": [f"- {_endpoint(one, check_port=port)}" for one in facts.gateways],
        "tls": [_transport_socket({})] if facts.gateways[0].scheme == "https" else [],
    }
    return fill("envoy-balance.yaml", values)


def edge(facts: Facts) -> str:
    """The whole configuration of an edge."""
    users = facts.user_id_headers
    values = {
        **_limits(facts),
        "about": [],
        "removed": [f"- {{ remove: {name} }}" for name in (*_OF_THE_EDGE, *users)],
        "set": [f"- {{ exact: {name} }}" for name in (*_DECIDED, *users)],
        "hidden": ", ".join((*_HIDDEN, *users)),
        "routes": [_route(tag, one, facts) for one in facts.upstreams for tag in one.tags],
        "decision_type": _type(facts.decisions),
        "gateway_type": _type(facts.gateways),
        "decision_endpoints": ", ".join(map(_endpoint, facts.decisions)),
        "gateway_endpoints": ", ".join(map(_endpoint, facts.gateways)),
        "clusters": [line for one in facts.upstreams for line in _cluster(one, facts)],
        "decision_timeout": _seconds(facts.decision_timeout),
        "read_timeout": _seconds(facts.read_timeout),
    }
    return fill("envoy-edge.yaml", values)


def _limits(facts: Facts) -> dict[str, str | Sequence[str]]:
    server = facts.settings.server
    return {
        "command": facts.command,
        "listen_host": facts.listen.host,
        "listen_port": str(facts.listen.port),
        "header_kib": str(min(8192, max(1, server.header_limit // 1024))),
        "header_timeout": _seconds(server.header_timeout),
        "keepalive_timeout": _seconds(server.keepalive_timeout),
    }


def _type(endpoints: Sequence[Endpoint]) -> str:
    """Of several names Envoy begins with the first that is resolved, and the others are missing still: not so here."""
    return "STATIC" if all(endpoint.is_ip for endpoint in endpoints) else "STRICT_DNS"


def _endpoint(endpoint: Endpoint, check_port: int | None = None) -> str:
    address = f"{{ socket_address: {{ address: {json.dumps(endpoint.host)}, port_value: {endpoint.port} }} }}"
    check = "" if check_port is None else f", health_check_config: {{ port_value: {check_port} }}"
    return f"{{ endpoint: {{ address: {address}, hostname: {json.dumps(endpoint.authority)}{check} }} }}"


def _route(tag: str, upstream: EdgeUpstream, facts: Facts) -> str:
    match = f"{{ prefix: /, headers: [ {{ name: x-api-tag, string_match: {{ exact: {json.dumps(tag)} }} }} ] }}"
    timeout = _seconds(facts.settings.routes[tag].idle_timeout)
    route = f"{{ cluster: upstream_{upstream.name}, timeout: 0s, idle_timeout: {timeout}, auto_host_rewrite: true }}"
    return f"- {{ match: {match}, route: {route} }}"


def _cluster(upstream: EdgeUpstream, facts: Facts) -> list[str]:
    name = f"upstream_{upstream.name}"
    endpoints = ", ".join(map(_endpoint, upstream.endpoints))
    lines = [
        f"- name: {name}",
        f"  type: {_type(upstream.endpoints)}",
        "  lb_policy: LEAST_REQUEST",
        f"  connect_timeout: {_seconds(facts.connect_timeout)}",
        f"  load_assignment: {{ cluster_name: {name}, endpoints: [ {{ lb_endpoints: [ {endpoints} ] }} ] }}",
    ]
    if upstream.tls:
        context: dict[str, object] = {
            "sni": upstream.endpoints[0].host,
            "common_tls_context": {
                "validation_context": {
                    "trusted_ca": {"filename": str(upstream.ca_file)},
                    "match_typed_subject_alt_names": [
                        {"san_type": "DNS", "matcher": {"exact": upstream.endpoints[0].host}}
                    ],
                },
                "tls_certificates": _certificates(upstream),
            },
        }
        lines.append(f"  {_transport_socket(context)}")
    return lines


def _certificates(upstream: EdgeUpstream) -> list[dict[str, object]]:
    if upstream.cert_file is None:
        return []
    chain, key = {"filename": str(upstream.cert_file)}, {"filename": str(upstream.key_file)}
    return [{"certificate_chain": chain, "private_key": key}]


def _transport_socket(context: dict[str, object]) -> str:
    """As JSON, which is YAML too."""
    typed = {"@type": _TLS_TYPE, **context}
    return "transport_socket: " + json.dumps({"name": "envoy.transport_sockets.tls", "typed_config": typed})


def _lua(text: str) -> str:
    """A Lua string: whatever could end it, or mean something in it, by its number."""
    escaped = (chr(byte) if re.match(rb"[A-Za-z0-9:/._-]", bytes([byte])) else f"\\{byte:03}" for byte in text.encode())
    return '"' + "".join(escaped) + '"'


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"
