"""`talaria render`: what it needs, what it says where that is missing, and how it is used wrongly."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.entrypoints.cli.render.support_render import rendered, text_of

ALL = [
    ("haproxy", "balance"), ("envoy", "balance"), ("nginx", "balance"), ("nginx", "edge"), ("nginx", "edge", "--fast"),
    ("envoy", "edge"), ("caddy", "edge"), ("haproxy", "edge"),
]  # fmt: skip


NO_CA = {"upstreams": {"other": {"tls": {"ca_file": None}}}}


@pytest.mark.parametrize("asked", ALL)
def test_a_whole_file_says_where_it_is_from_and_has_no_empty_place(tmp_path: Path, asked: tuple[str, ...]) -> None:
    text = text_of(rendered(tmp_path, *asked))
    assert f"Rendered by: talaria render {asked[0]} --config " in text
    assert "--talaria http://10.0.0.5:8080 --talaria http://10.0.0.6:8080" in text
    assert not re.search(r"\{\{|\{%|\{#", text)
    assert all(line == line.rstrip() or line.strip() == "" for line in text.splitlines())
    assert text.startswith("# ")


@pytest.mark.parametrize("asked", ALL)
def test_no_secret_is_needed_or_told(tmp_path: Path, asked: tuple[str, ...]) -> None:
    text = text_of(rendered(tmp_path, *asked))
    assert not any(name in text for name in ("PERSONAL_TOKEN", "WIND_API_KEY", "JOBS_API_KEY", "2026-11"))


@pytest.mark.parametrize(
    ("asked", "changes", "key", "hint"),
    [
        (("nginx", "edge"), {"server": {"decision_listen": ""}}, "server.decision_listen", "write an address"),
        (("nginx", "edge", "--fast"), {"decision": {"max_age": "0s"}}, "decision.max_age", 'max_age = "5s"'),
        (("nginx", "edge", "--fast"), {"decision": {"max_age": "900ms"}}, "decision.max_age", 'max_age = "5s"'),
        (
            ("envoy", "edge"),
            NO_CA,
            "upstreams.other.tls.ca_file",
            "ca_file",
        ),
        (
            ("nginx", "edge"),
            NO_CA,
            "upstreams.other.tls.ca_file",
            "ca_file",
        ),
        (
            ("caddy", "edge"),
            {"upstreams": {"other": {"egress_proxy": "http://proxy:3128"}}},
            "upstreams.other.egress_proxy",
            "let Talaria forward",
        ),
        (
            ("haproxy", "edge"),
            {"upstreams": {"other": {"urls": ["https://a", "http://b"]}}},
            "upstreams.other.urls",
            "one scheme",
        ),
        (("haproxy", "edge"), {"routes": {"wind": {"upstream": "nowhere"}}}, "routes.wind.upstream", "write its table"),
        (("haproxy", "balance"), {"server": {"ops_listen": "127.0.0.1:9090"}}, "server.ops_listen", "0.0.0.0:9090"),
        (("nginx", "balance"), {"server": {"workers": 4}}, "server.workers", "workers = 1"),
        (
            ("haproxy", "balance"),
            {"callers": {"web": {"phone_id_claim": "https://id.example/person"}}},
            "callers.web.phone_id_claim",
            "take nginx or Envoy",
        ),
        (("nginx", "edge"), {"server": {"listen": "nowhere"}}, "server.listen", "host:port"),
    ],
)
def test_what_the_file_does_not_have_is_told_with_what_to_write(
    tmp_path: Path, asked: tuple[str, ...], changes: dict[str, Any], key: str, hint: str
) -> None:
    result = rendered(tmp_path, *asked, changes=changes)
    assert result.exit_code == 78
    assert result.stdout == ""
    assert f"  {key}: " in result.stderr
    assert hint in result.stderr


def test_without_tokens_no_person_can_be_told(tmp_path: Path) -> None:
    jobs = {"jobs": {"api_key": {"env": "JOBS_API_KEY"}}}
    result = rendered(tmp_path, "nginx", "balance", changes={"callers": {"app": None, "web": None, **jobs}})
    assert (result.exit_code, "  callers: " in result.stderr) == (78, True)


@pytest.mark.parametrize(("engine", "mode"), [("nginx", "edge"), ("haproxy", "edge"), ("envoy", "balance")])
def test_without_routes_there_is_nothing_to_render(tmp_path: Path, engine: str, mode: str) -> None:
    result = rendered(tmp_path, engine, mode, changes={"routes": {"wind": None, "bolt": None}})
    assert (result.exit_code, "  routes: " in result.stderr) == (78, True)


def test_a_decision_api_of_the_command_line_does(tmp_path: Path) -> None:
    changes = {"server": {"decision_listen": ""}}
    text = text_of(rendered(tmp_path, "nginx", "edge", "--decisions", "http://10.9.9.9:81", changes=changes))
    assert "upstream talaria_decisions { server 10.9.9.9:81; keepalive 32; }" in text


def test_a_decision_api_on_every_address_is_at_every_replica(tmp_path: Path) -> None:
    text = text_of(rendered(tmp_path, "nginx", "edge", changes={"server": {"decision_listen": "0.0.0.0:81"}}))
    assert "upstream talaria_decisions { server 10.0.0.5:81; server 10.0.0.6:81; keepalive 32; }" in text


@pytest.mark.parametrize(
    ("asked", "options", "listen", "gateways"),
    [
        (("caddy", "balance"), (), "0.0.0.0:80", ("http://a:1",)),
        (("envoy", "edge"), ("--fast",), "0.0.0.0:80", ("http://a:1",)),
        (("nginx", "balance"), ("--fast",), "0.0.0.0:80", ("http://a:1",)),
        (("traefik", "edge"), (), "0.0.0.0:80", ("http://a:1",)),
        (("nginx", "mirror"), (), "0.0.0.0:80", ("http://a:1",)),
        (("nginx", "edge"), (), "80", ("http://a:1",)),
        (("nginx", "edge"), (), "a:b", ("http://a:1",)),
        (("nginx", "edge"), (), "a:80/x", ("http://a:1",)),
        (("nginx", "edge"), (), "0.0.0.0:80", ("a:1",)),
        (("nginx", "edge"), (), "0.0.0.0:80", ("http://a:1/path",)),
        (("nginx", "edge"), ("--decisions", "ftp://a"), "0.0.0.0:80", ("http://a:1",)),
        (("nginx", "edge"), (), "0.0.0.0:80", ()),
    ],
)
def test_wrong_usage(
    tmp_path: Path, asked: tuple[str, str], options: tuple[str, ...], listen: str, gateways: tuple[str, ...]
) -> None:
    assert rendered(tmp_path, *asked, *options, listen=listen, gateways=gateways).exit_code == 2
