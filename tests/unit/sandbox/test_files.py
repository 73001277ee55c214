"""The sandbox's folder."""

import stat
from pathlib import Path

import pytest

from talaria.sandbox import files


def test_keys_and_secrets_are_their_owners_alone_and_are_kept(tmp_path: Path) -> None:
    first, secret = files.write_keys(tmp_path), files.secret(tmp_path, "api-key")
    for name in (files.SIGNING_KEY, files.CALLER_KEY, files.secret_file("api-key")):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert files.write_keys(tmp_path).private_numbers() == first.private_numbers()
    assert files.secret(tmp_path, "api-key") == secret


def test_a_configuration_of_its_own_is_written_anew(tmp_path: Path) -> None:
    files.write_configuration(tmp_path, {"server": {"listen": "a"}}, {})
    files.write_keys(tmp_path)
    path = files.write_configuration(tmp_path, {"server": {"listen": "a"}}, {"server": {"listen": "b"}})
    assert 'listen = "b"' in path.read_text()


def test_another_configuration_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / files.CONFIG).write_text("[server]\n")
    with pytest.raises(files.NotOurs, match="choose another folder"):
        files.write_keys(tmp_path)
    assert not (tmp_path / "keys").exists()
