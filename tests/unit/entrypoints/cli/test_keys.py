"""`talaria keys new`."""

import stat
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from talaria.adapters.auth.key_files import load_signing_key
from talaria.entrypoints.cli.keys import command


def test_a_new_key_signs_and_is_its_owners_alone(tmp_path: Path) -> None:
    out = tmp_path / "2026-11.pem"
    result = CliRunner().invoke(command, ["new", "--out", str(out)])
    assert result.exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert load_signing_key(out.read_bytes())[1] == "ES256"
    assert "PRIVATE" not in result.output


def test_the_line_it_prints_is_toml(tmp_path: Path) -> None:
    out = tmp_path / 'a "key" ü.pem'
    result = CliRunner().invoke(command, ["new", "--out", str(out)])
    line = result.output.strip().splitlines()[-1]
    assert tomllib.loads(f"keys = [{line}]")["keys"] == [{"kid": 'a "key" ü', "file": str(out)}]


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path("there.pem")
    out.write_text("mine")
    result = CliRunner().invoke(command, ["new", "--out", "there.pem"])
    assert result.exit_code == 1
    assert "there.pem is there already; nothing was written." in result.output
    assert out.read_text() == "mine"


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    link, target = tmp_path / "link.pem", tmp_path / "target.pem"
    link.symlink_to(target)
    assert CliRunner().invoke(command, ["new", "--out", str(link)]).exit_code == 1
    assert not target.exists()


def test_a_missing_folder_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, ["new", "--out", "no/k.pem"])
    assert result.exit_code == 1
    assert "no/k.pem can't be written: No such file or directory." in result.output
    assert isinstance(result.exception, SystemExit)
