"""`talaria init`: a start that passes `talaria check`, and overwrites nothing."""

import re
import stat
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result

from talaria.adapters.auth.key_files import load_signing_key
from talaria.entrypoints.cli.init import starter
from talaria.entrypoints.cli.main import cli
from talaria.entrypoints.config import load, schema
from talaria.entrypoints.config.schema import resolve

_COMMENTED_OUT = re.compile(r"^# (\w+ = )", re.MULTILINE)


def init(folder: Path) -> Result:
    """The command's result."""
    return CliRunner().invoke(cli, ["init", str(folder)])


def test_what_it_writes_loads_once_the_variables_that_it_names_are_set(tmp_path: Path) -> None:
    result = init(tmp_path / "new" / "folder")
    assert result.exit_code == 0
    named = re.search(r"set ([A-Z_, ]+)\.", result.output)
    assert named
    environ = dict.fromkeys(named[1].split(", "), "secret")
    settings = load(tmp_path / "new/folder/talaria.toml", environ)
    assert settings.warnings == ()
    assert len(environ) == 3


def test_each_command_that_it_names_is_whole_on_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(cli, ["init", "mine"]).output.splitlines()
    assert max(map(len, lines)) <= 80
    named = [line.partition("talaria ")[2] for line in lines if "talaria " in line]
    assert named == ["keys new --caller app", "check --config mine/talaria.toml"]


def test_the_key_is_fresh_and_its_owners_alone(tmp_path: Path) -> None:
    init(tmp_path)
    (key,) = (tmp_path / "keys").glob("*.pem")
    assert re.fullmatch(r"\d{4}-\d\d\.pem", key.name)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert load_signing_key(key.read_bytes())[1] == "ES256"
    assert f'kid = "{key.stem}"' in (tmp_path / "talaria.toml").read_text()


def test_no_key_gets_into_a_repository(tmp_path: Path) -> None:
    init(tmp_path)
    assert (tmp_path / "keys/.gitignore").read_text() == "*.pem\n"
    other = tmp_path / "other"
    (other / "keys").mkdir(parents=True)
    (other / "keys/.gitignore").write_text("*\n")
    assert init(other).exit_code == 0
    assert (other / "keys/.gitignore").read_text() == "*\n"


def test_this_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["init"])
    assert result.exit_code == 0
    assert "Written: talaria.toml, and keys/" in result.output
    assert Path("talaria.toml").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    init(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    result = init(tmp_path)
    assert result.exit_code == 1
    assert "is there already; nothing was written." in result.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_a_key_that_is_there_stops_it_before_anything_is_written(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "talaria.toml").unlink()
    assert init(tmp_path).exit_code == 1
    assert not (tmp_path / "talaria.toml").exists()


def test_a_folder_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = init(tmp_path / "file" / "folder")
    assert result.exit_code == 1
    assert "can't be written" in result.stderr


def test_the_starter_is_valid_by_the_schema() -> None:
    jsonschema_rs.validate(schema(), tomllib.loads(starter("2026-11")))


def test_the_starter_explains_every_setting_and_shows_its_default() -> None:
    text = starter("2026-11")
    active = tomllib.loads(text)
    everything = tomllib.loads(_COMMENTED_OUT.sub(r"\1", text))
    for name, section in schema()["properties"].items():
        properties = resolve(section.get("additionalProperties") or section)["properties"]
        (full,) = everything[name].values() if section.get("additionalProperties") else (everything[name],)
        (written,) = active[name].values() if section.get("additionalProperties") else (active[name],)
        assert set(full) == set(properties), name
        for key in set(full) - set(written):
            assert full[key] == properties[key].get("default", full[key]), f"{name}.{key}"


def test_no_placeholder_is_left() -> None:
    assert "MONTH" not in starter("2026-11")
