"""Envoy: its files are YAML of the form that was meant, whatever the names in them are."""

import re
from pathlib import Path

from tests.unit.entrypoints.cli.render.support_render import rendered, text_of


def test_an_edge_goes_to_the_upstream_of_each_tag(tmp_path: Path) -> None:
    text = text_of(rendered(tmp_path, "envoy", "edge"))
    for line in (
        '- match: { prefix: /, headers: [ { name: x-api-tag, string_match: { exact: "wind" } } ] }\n'
        "                route: { cluster: upstream_talaria-services, timeout: 0s, idle_timeout: 60s,"
        " auto_host_rewrite: true }",
        "- { remove: x-rider }",
        "- { exact: x-wind-user-id }",
        "timeout: 3.5s }",
        "- name: upstream_other",
    ):
        assert line in text


def test_names_are_resolved_and_addresses_are_not(tmp_path: Path) -> None:
    text = text_of(rendered(tmp_path, "envoy", "edge"))
    types = dict(re.findall(r"- name: (\S+)\n    type: (\S+)", text))
    assert types == {"talaria_decisions": "STATIC", "talaria_gateway": "STATIC"} | {
        "upstream_talaria-services": "STATIC",
        "upstream_other": "STRICT_DNS",
    }


def test_the_tls_of_an_upstream_is_verified(tmp_path: Path) -> None:
    changes = {"upstreams": {"other": {"tls": {"cert_file": "/etc/us.pem", "key_file": "/etc/us.key"}}}}
    text = text_of(rendered(tmp_path, "envoy", "edge", changes=changes))
    socket = """\
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: "other.internal"
        common_tls_context:
          validation_context:
            trusted_ca: { filename: "/etc/ca.pem" }
            match_typed_subject_alt_names: [ { san_type: DNS, matcher: { exact: "other.internal" } } ]
          tls_certificates:
          - certificate_chain: { filename: "/etc/us.pem" }
            private_key: { filename: "/etc/us.key" }
"""
    assert text.partition("- name: upstream_other\n")[2].endswith(socket)


def test_issuers_can_mean_nothing_to_lua(tmp_path: Path) -> None:
    changes = {"callers": {"app": {"issuer": 'a"]] = 1 é'}}}
    text = text_of(rendered(tmp_path, "envoy", "balance", changes=changes))
    assert r'["a\034\093\093\032\061\0321\032\195\169"] = "personal_phone_id"' in text
    assert '["https://id.web.example"] = "phone_id"' in text


def test_replicas_are_asked_on_the_operators_port(tmp_path: Path) -> None:
    text = text_of(rendered(tmp_path, "envoy", "balance"))
    assert text.count("health_check_config: { port_value: 9090 }") == 2
    assert "lb_policy: MAGLEV" in text
