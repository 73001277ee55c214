"""`talaria check --running`: what differs between the file and what runs."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from talaria.entrypoints.cli.main import cli
from talaria.entrypoints.config import load
from talaria.entrypoints.config.without_secrets import without_secrets
from talaria.entrypoints.ops.answers import ConfigurationInForce
from tests.unit.entrypoints.cli.support_listener import Listener

VARIABLES = {"PERSONAL_TOKEN": "canary-1", "WIND_API_KEY": "canary-2", "TALARIA_SERVICES_API_KEY": "canary-3"}


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listener:
    """A gateway that runs with what `talaria init` writes."""
    assert CliRunner().invoke(cli, ["init", str(tmp_path)]).exit_code == 0
    listener = Listener(monkeypatch)
    settings = load(tmp_path / "talaria.toml", VARIABLES)
    listener.body = msgspec.json.encode(ConfigurationInForce(settings.digest, "info", without_secrets(settings)))
    return listener


def check(folder: Path, *arguments: str, **variables: str) -> Result:
    command = ["check", "--config", str(folder / "talaria.toml"), *arguments]
    return CliRunner().invoke(cli, command, env={**VARIABLES, **variables})


def test_nothing_differs(listener: Listener, tmp_path: Path) -> None:
    result = check(tmp_path, "--running")
    assert result.exit_code == 0
    assert "What runs is what" in result.stdout
    assert listener.urls == ["http://127.0.0.1:9090/config"]


def test_what_differs_is_told_with_both_values(listener: Listener, tmp_path: Path) -> None:
    result = check(tmp_path, "--running", TALARIA__PERSONAL__TIMEOUT="3s")
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:3] == ["personal.timeout", 'file "3s"', 'running "1s"']
    assert "canary" not in result.output


def test_what_differs_as_json_from_another_address(listener: Listener, tmp_path: Path) -> None:
    result = check(tmp_path, "--ops", "http://10.0.0.5:9090/", "--json", TALARIA__PERSONAL__TIMEOUT="3s")
    assert listener.urls == ["http://10.0.0.5:9090/config"]
    assert json.loads(result.stdout)["differences"] == [{"key": "personal.timeout", "file": "3s", "running": "1s"}]


@pytest.mark.parametrize("changed", [{}, {"TALARIA__PERSONAL__TIMEOUT": "3s"}, {"TALARIA__SERVER__LISTEN": "x"}])
def test_it_fits_a_narrow_terminal(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    told = check(tmp_path, "--running", **changed).output
    assert max(map(len, told.splitlines())) <= max(40, *(len(word) + 8 for word in told.split()))


def test_a_hash_that_differs_alone_is_told(listener: Listener, tmp_path: Path) -> None:
    assert listener.body is not None
    listener.body = msgspec.json.encode({**msgspec.json.decode(listener.body), "hash": "aaaa"})
    result = check(tmp_path, "--running")
    assert (result.exit_code, "aaaa" in result.stdout) == (1, True)


@pytest.mark.parametrize("body", [None, b"<html>"])
def test_another_program_is_told(listener: Listener, tmp_path: Path, body: bytes | None) -> None:
    listener.body = body
    result = check(tmp_path, "--running")
    assert result.exit_code == 1
    assert "no operators' listener" in result.stderr


def test_what_is_no_url_is_wrong_usage(listener: Listener, tmp_path: Path) -> None:
    assert check(tmp_path, "--ops", "10.0.0.5:9090").exit_code == 2
