"""Which files are read, and when two configurations are called the same."""

import shutil
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from talaria.entrypoints.config import load
from talaria.entrypoints.config.sources import version_of, versions_of
from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.support_config import ENVIRON


def test_keys_and_secrets_are_among_the_files(own_bench: Bench) -> None:
    (own_bench.folder / "wind.key").write_text("wind-canary")
    settings = own_bench.load({"partners.wind.api_key": {"file": "wind.key"}})
    assert list(settings.files) == [own_bench.folder / "keys/2026-11.pem", own_bench.folder / "wind.key"]


def test_the_state_of_a_file_is_the_one_from_before_it_was_read(own_bench: Bench, mocker: MockerFixture) -> None:
    key = own_bench.folder / "wind.key"
    key.write_text("wind-canary")
    found = version_of(key)
    read = Path.read_bytes

    def replaced_meanwhile(path: Path) -> bytes:
        content = read(path)
        if path == key:
            key.write_text("the next one")
        return content

    mocker.patch.object(Path, "read_bytes", replaced_meanwhile)
    settings = own_bench.load({"partners.wind.api_key": {"file": "wind.key"}})
    api_key = settings.partners["wind"].api_key
    assert api_key is not None
    assert api_key.reveal() == "wind-canary"
    assert settings.files[key] == found != version_of(key)


@pytest.mark.parametrize("moved", ["folder", "data"])
def test_a_link_that_moves_is_another_version(own_bench: Bench, tmp_path: Path, moved: str) -> None:
    """A release is a folder of its own, and a link leads to it; a kubelet's volume has such a link inside."""
    own_bench.load(
        {"personal.token": {"file": "data/token"}}, ENVIRON | {"TALARIA__PERSONAL__TOKEN": '{ env = "WIND_API_KEY" }'}
    )
    for release in ("r1", "r2"):
        shutil.copytree(own_bench.folder / "keys", tmp_path / release / "keys")
        shutil.copy(own_bench.file, tmp_path / release)
        (tmp_path / release / "v").mkdir()
        (tmp_path / release / "v/token").write_text("of-" + release)
        (tmp_path / release / "data").symlink_to("v")
    current = tmp_path / "current"
    current.symlink_to("r1")
    settings = load(current / "talaria.toml", ENVIRON)
    assert versions_of(settings.files) == settings.files
    link, target = (current, "r2") if moved == "folder" else (tmp_path / "r1/data", tmp_path / "r2/v")
    link.unlink()
    link.symlink_to(target)
    assert versions_of(settings.files) != settings.files
    token = load(current / "talaria.toml", ENVIRON).personal.token
    assert token is not None
    assert token.reveal() == "of-r2"


def test_the_digest_changes_with_a_setting(own_bench: Bench) -> None:
    before = own_bench.load().digest
    assert own_bench.load().digest == before
    assert len(before) == 12
    assert own_bench.load({"routes.wind.timeout": "9s"}).digest != before
    assert own_bench.load(None, {**ENVIRON, "TALARIA__SERVER__BODY_LIMIT": "1MiB"}).digest != before


def test_the_digest_says_nothing_of_a_secret(own_bench: Bench) -> None:
    before = own_bench.load().digest
    assert own_bench.load(None, {**ENVIRON, "WIND_API_KEY": "another"}).digest == before
