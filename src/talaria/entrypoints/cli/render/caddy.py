"""Caddy: forward_auth as an edge. It can't hash on a claim, so it is no balancer."""

from talaria.entrypoints.cli.render.facts import EdgeUpstream, Facts
from talaria.entrypoints.cli.render.template import fill

_DECIDED = ["Authorization", "X-Api-Key", "X-Api-Tag", "X-Request-Id", "X-Talaria-Identity", "Forwarded"]


def edge(facts: Facts) -> str:
    """The whole Caddyfile of an edge."""
    server, users = facts.settings.server, facts.user_id_headers
    trusted = " ".join(map(str, server.trusted_proxies))
    values = {
        "command": facts.command,
        "about": [],
        "listen_host": facts.listen.host,
        "listen_port": str(facts.listen.port),
        "trusted_proxies": [f"trusted_proxies static {trusted}", "trusted_proxies_strict"] if trusted else [],
        "header_timeout": _milliseconds(server.header_timeout),
        "keepalive_timeout": _milliseconds(server.keepalive_timeout),
        "header_limit": str(server.header_limit),
        "body_limit": ["request_body {", f"\tmax_size {server.body_limit}", "}"] if server.body_limit else [],
        "gateways": " ".join(f"{one.scheme}://{one}" for one in facts.gateways),
        "decisions": " ".join(map(str, facts.decisions)),
        "removed": [f"request_header -{name}" for name in (*users, *facts.dropped)],
        "copied": [*_DECIDED, *users],
        "decision_timeout": _milliseconds(facts.decision_timeout),
        "upstreams": [line for at, one in enumerate(facts.upstreams) for line in _upstream(at, one, facts)],
    }
    return fill("Caddyfile.edge", values)


def _upstream(number: int, upstream: EdgeUpstream, facts: Facts) -> list[str]:
    hidden = ["authorization", "x-api-key", "x-talaria-unknown-user", *facts.user_id_headers]
    return [
        f"@tags{number} {{",
        *(f"\theader X-Api-Tag {tag}" for tag in upstream.tags),
        "}",
        f"reverse_proxy @tags{number} {' '.join(f'{one.scheme}://{one}' for one in upstream.endpoints)} {{",
        "\theader_up Host {upstream_hostport}",
        *(f"\theader_down -{name}" for name in hidden),
        "\theader_down X-Request-Id {http.request.header.X-Request-Id}",
        "\tflush_interval -1",
        "\ttransport http {",
        f"\t\tdial_timeout {_milliseconds(facts.connect_timeout)}",
        f"\t\tresponse_header_timeout {_milliseconds(facts.read_timeout)}",
        *(f"\t\t{line}" for line in _tls(upstream)),
        "\t}",
        "}",
    ]


def _tls(upstream: EdgeUpstream) -> list[str]:
    lines = []
    if upstream.ca_file is not None:
        lines.append(f"tls_trust_pool file {upstream.ca_file}")
    if upstream.cert_file is not None:
        lines.append(f"tls_client_auth {upstream.cert_file} {upstream.key_file}")
    return lines


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
