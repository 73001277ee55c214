"""`talaria check`: what it shows, and what it says of a configuration that can't be used."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from talaria.entrypoints.cli.main import cli
from talaria.entrypoints.config import load

VARIABLES = {"PERSONAL_TOKEN": "canary-1", "WIND_API_KEY": "canary-2", "TALARIA_SERVICES_API_KEY": "canary-3"}
Check = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `talaria init` writes, with the registry's wind."""
    assert CliRunner().invoke(cli, ["init", str(tmp_path)]).exit_code == 0
    return tmp_path / "talaria.toml"


def check(config: Path, **variables: str | None) -> Result:
    """The command's result with the variables set."""
    return CliRunner().invoke(cli, ["check", "--config", str(config)], env={**VARIABLES, **variables})


def test_it_shows_what_it_found(config: Path) -> None:
    result = check(config)
    assert result.exit_code == 0
    for shown in (
        "Routes",
        "Callers",
        "Partners",
        "Upstreams",
        "x-wind-user-id",
        "https://id.app.example",
        "is good, hash ",
    ):
        assert shown in result.stdout
    assert "canary" not in result.output
    assert result.stderr == ""


def test_nothing_is_cut_on_a_narrow_terminal(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check(config).stdout.split()
    monkeypatch.setenv("COLUMNS", "40")
    narrow = check(config).stdout
    assert narrow.split() == whole
    assert max(map(len, narrow.splitlines())) <= max(
        40, *(len(word) + 6 for word in whole)
    )  # a word may be longer than its line


def test_it_shows_where_edges_ask(config: Path) -> None:
    assert ", edges" not in check(config).stdout
    asked = {"TALARIA__SERVER__DECISION_LISTEN": "127.0.0.1:8081", "TALARIA__SERVER__TRUSTED_EDGES": '["127.0.0.0/8"]'}
    assert "operators 127.0.0.1:9090, edges 127.0.0.1:8081, signing keys" in check(config, **asked).stdout


def test_the_hash_is_the_one_of_the_running_configuration(config: Path) -> None:
    digest = load(config, VARIABLES).digest
    assert check(config).stdout.endswith(f"{config} is good, hash {digest}.\n")


def test_names_in_brackets_are_no_markup(config: Path) -> None:
    text = config.read_text().replace('"http://talaria-services.internal"', '"http://[::1]:8003"')
    config.write_text(text)
    assert "http://[::1]:8003" in check(config, TALARIA__SIGNING__ISSUER="[bold]").stdout


def test_all_problems_are_on_stderr_with_exit_code_78(config: Path) -> None:
    config.write_text(
        config.read_text().replace('partner = "wind"', 'partner = "wnid"').replace("[signing]", "[signin]")
    )
    result = check(config, WIND_API_KEY=None)
    assert result.exit_code == 78
    assert result.stdout == ""
    for key in ("routes.wind.partner", "signin", "signing.keys", "partners.wind.api_key"):
        assert f"  {key}: " in result.stderr
    assert f"{config}: 4 problems" in result.stderr
    assert 'did you mean "wind"?' in result.stderr
    assert "canary" not in result.output


def test_problems_as_json(config: Path) -> None:
    config.write_text(config.read_text().replace('partner = "wind"', 'partner = "wnid"'))
    result = CliRunner().invoke(cli, ["check", "--json", "--config", str(config)], env=VARIABLES)
    assert result.exit_code == 78
    report = json.loads(result.stdout)
    line = config.read_text().splitlines().index('partner = "wnid"') + 1
    problem = {"key": "routes.wind.partner", "wrong": 'there is no partner "wnid"', "hint": 'did you mean "wind"?'}
    assert report == {"file": str(config), "hash": None, "problems": [{**problem, "line": line}], "warnings": []}
    assert f'there is no partner "wnid" (line {line})\n' in check(config).stderr


def test_a_good_configuration_as_json(config: Path) -> None:
    next((config.parent / "keys").glob("*.pem")).chmod(0o644)
    result = CliRunner().invoke(cli, ["check", "--json", "--config", str(config)], env=VARIABLES)
    report = json.loads(result.stdout)
    assert (result.exit_code, report["problems"], len(report["hash"])) == (0, [], 12)
    assert [warning["key"] for warning in report["warnings"]] == ["signing.keys[0].file"]


def test_a_file_that_is_not_there_as_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["check", "--json", "--config", str(tmp_path / "none.toml")])
    assert result.exit_code == 78
    assert "can't be read" in json.loads(result.stdout)["problems"][0]["wrong"]


def test_a_warning_is_shown_and_stops_nothing(config: Path) -> None:
    key = next((config.parent / "keys").glob("*.pem"))
    key.chmod(0o644)
    result = check(config)
    assert result.exit_code == 0
    assert "warning: signing.keys[0].file: " in result.stderr
    assert "chmod o-r" in result.stderr


def test_a_file_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    result = check(tmp_path / "talaria.toml")
    assert result.exit_code == 78
    assert result.stderr.strip() == f"There is no {tmp_path}/talaria.toml. Make one with: talaria init {tmp_path}"


def test_a_file_that_can_not_be_looked_at_is_a_problem(tmp_path: Path) -> None:
    result = check(tmp_path / ("x" * 300))
    assert result.exit_code == 78
    assert "can't be read (File name too long)" in result.stderr


def test_a_file_that_another_user_owns_is_a_problem(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)
    result = check(config)
    assert result.exit_code == 78
    assert "can't be read (Permission denied)" in result.stderr


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x80" * 40, b"\xed\xa0\x80"])
@pytest.mark.parametrize("source", ["env", "file"])
def test_a_secret_that_is_no_text_is_one_problem(config: Path, content: bytes, source: str) -> None:
    (config.parent / "secret").write_bytes(content)
    given = {"env": "APP_SECRET", "file": "secret"}[source]
    jwks_url = 'jwks_url = "https://id.app.example/.well-known/jwks.json"'
    shared = f'algorithms = ["HS256"]\nsecret = {{ {source} = "{given}" }}'
    config.write_text(config.read_text().replace(jwks_url, shared))
    result = check(config, APP_SECRET=os.fsdecode(content))
    assert result.exit_code == 78
    assert f"{config}: 1 problem\n" in result.stderr
    assert "callers.app.secret: " in result.stderr
    assert "is not UTF-8 text" in result.stderr


def test_the_default_is_talaria_toml_in_this_folder(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    assert CliRunner().invoke(cli, ["check"], env=VARIABLES).exit_code == 0


def test_the_schema_needs_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["check", "--schema"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == "talaria.toml"
