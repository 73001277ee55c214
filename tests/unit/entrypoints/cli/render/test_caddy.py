"""Caddy: what only a decision may set, and where each tag leads."""

from pathlib import Path

from tests.unit.entrypoints.cli.render.support_render import rendered, text_of


def test_an_edge_goes_to_the_upstream_of_each_tag(tmp_path: Path) -> None:
    text = text_of(rendered(tmp_path, "caddy", "edge"))
    for line in (
        "\t\t\theader X-Api-Tag wind\n",
        "\t\treverse_proxy @tags0 http://10.1.0.1:8000 http://10.1.0.2:8000 {\n",
        "\t\treverse_proxy @tags1 https://other.internal:443 {\n",
        "\t\t\t\ttls_trust_pool file /etc/ca.pem\n",
        "\t\trequest_header -x-rider\n",
        "\t\trequest_header -baggage\n",
        "response_header_timeout 3500ms",
        "max_size 67108864",
    ):
        assert line in text


def test_proxies_in_front_are_trusted_as_talaria_trusts_them(tmp_path: Path) -> None:
    assert "trusted_proxies" not in text_of(rendered(tmp_path, "caddy", "edge"))
    changes = {"server": {"trusted_proxies": ["10.0.0.0/8", "fd00::/8"], "body_limit": "0"}}
    text = text_of(rendered(tmp_path, "caddy", "edge", changes=changes))
    assert "trusted_proxies static 10.0.0.0/8 fd00::/8" in text
    assert "max_size" not in text
