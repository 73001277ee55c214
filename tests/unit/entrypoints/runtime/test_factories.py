"""What a resource is made of decides whether a reload takes it over."""

import os
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from talaria.domain.model import Origin
from talaria.entrypoints.cli.main import cli
from talaria.entrypoints.config import Settings, load
from talaria.entrypoints.config.settings import TlsSettings
from talaria.entrypoints.public.problems import ROWS
from talaria.entrypoints.runtime.container import Container
from talaria.entrypoints.runtime.factories import lines_as_text, possible_failures
from talaria.entrypoints.runtime.resources import ResourceRegistry

ENVIRONMENT = dict.fromkeys(("PERSONAL_TOKEN", "WIND_API_KEY", "TALARIA_SERVICES_API_KEY"), "x")
SOURCE = {
    "jwks_url": "https://id.app.example/other",
    "jwks_timeout": 1.0,
    "jwks_tls": TlsSettings(ca_file=Path("ca.pem")),
    "egress_proxy": "http://proxy:3128",
    "algorithms": ("RS256",),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    CliRunner().invoke(cli, ["init", str(tmp_path)])
    return load(tmp_path / "talaria.toml", environ=ENVIRONMENT)


@pytest.mark.parametrize(
    ("changes", "taken_over"),
    [
        ({}, True),
        ({"leeway": 1.0, "audience": "other"}, True),
        *(({key: value}, False) for key, value in SOURCE.items()),
    ],
)
def test_a_key_set_is_taken_over_unless_it_is_fetched_otherwise(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], taken_over: bool
) -> None:
    monkeypatch.setattr("talaria.entrypoints.runtime.upstream_factories.client_tls", lambda *files: None)
    before = Container(settings=settings)
    before.verifier()
    changed = replace(settings, callers={"app": replace(settings.callers["app"], **changes)})
    after = Container(settings=changed, resources=ResourceRegistry(before.resources()))
    after.verifier()
    keys = "caller-keys:app"
    assert (after.resources().watched[keys] is before.resources().watched[keys]) is taken_over


def test_every_reason_of_500_and_above_is_counted_from_0_under_its_origins() -> None:
    kinds = possible_failures()
    assert {reason for _, reason in kinds} == {"", *(reason for reason, row in ROWS.items() if row.status >= 500)}
    assert {origin for origin, _ in kinds} == set(get_args(Origin))
    assert len(set(kinds)) == len(kinds)
    assert {origin for origin, reason in kinds if reason == "circuit-open"} == {"personal", "partner", "upstream"}
    assert ("gateway", "overloaded") in kinds
    assert ("partner", "partner-overloaded") in kinds


def test_lines_are_text_on_a_terminal_or_where_it_is_asked_for(settings: Settings) -> None:
    terminal, other = os.openpty()
    pipe = os.pipe()
    for form, told in {"auto": (True, False), "text": (True, True), "json": (False, False)}.items():
        chosen = replace(settings, logging=replace(settings.logging, format=form))
        assert (lines_as_text(chosen, terminal), lines_as_text(chosen, pipe[1])) == told
    for descriptor in (terminal, other, *pipe):
        os.close(descriptor)
