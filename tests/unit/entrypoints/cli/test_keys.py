"""`talaria keys new`."""

import stat
import tomllib
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner

from talaria.adapters.auth.jwk import read_key_set
from talaria.adapters.auth.key_files import check_key_set, load_signing_key
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


@pytest.mark.parametrize("name", ["a b", "../x", "", "x" * 65, "ü", "app/x", "app\n"])
def test_a_caller_is_called_as_a_table_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, ["new", "--caller", name])
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_each_line_is_as_wide_as_the_terminal_lets_it_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    printed = CliRunner().invoke(command, ["new", "--out", "keys/2026-12.pem"]).output
    assert max(map(len, printed.splitlines())) <= 80
    sentences = printed.replace("\n    ", " ").splitlines()
    assert [line for line in sentences if not line.endswith((".", "list", "}"))] == []


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


def test_a_missing_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(command, ["new", "--out", "new/folder/k.pem"]).exit_code == 0
    assert load_signing_key(Path("new/folder/k.pem").read_bytes())


def test_a_folder_that_can_not_be_made_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("no").write_text("a file")
    result = CliRunner().invoke(command, ["new", "--out", "no/k.pem"])
    assert result.exit_code == 1
    assert "can't be written: " in result.output
    assert isinstance(result.exception, SystemExit)


def test_a_callers_key_comes_with_its_public_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, ["new", "--caller", "app"])
    assert result.exit_code == 0
    assert "[signing]" not in result.output
    assert 'jwks_file = "keys/callers/app.jwks.json"' in result.output
    private, public = Path("keys/callers/app.pem"), Path("keys/callers/app.jwks.json")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    (key,) = read_key_set(public.read_bytes())
    check_key_set(public.read_bytes())
    assert key.kid == "app"
    assert '"d"' not in public.read_text()
    token = jwt.encode({"a": 1}, load_signing_key(private.read_bytes())[0], "ES256")
    assert jwt.decode(token, key.key, ["ES256"]) == {"a": 1}
    assert CliRunner().invoke(command, ["new", "--caller", "app"]).exit_code == 1


def test_a_callers_set_that_is_there_stops_it_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("keys/callers").mkdir(parents=True)
    Path("keys/callers/app.jwks.json").write_text("mine")
    assert CliRunner().invoke(command, ["new", "--caller", "app"]).exit_code == 1
    assert [path.name for path in Path("keys/callers").iterdir()] == ["app.jwks.json"]


@pytest.mark.parametrize("arguments", [[], ["--caller", "app", "--out", "k.pem"]])
def test_a_new_key_is_of_the_gateway_or_of_a_caller(arguments: list[str]) -> None:
    assert CliRunner().invoke(command, ["new", *arguments]).exit_code == 2
