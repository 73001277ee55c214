"""The sandbox's folder."""

import stat
from pathlib import Path

import pytest

from talaria.sandbox.folder import CALLER_KEY, SIGNING_KEY, ForeignFolder, SandboxFolder, secret_file


def test_keys_and_secrets_are_their_owners_alone_and_are_kept(tmp_path: Path) -> None:
    folder = SandboxFolder(tmp_path)
    first, secret = folder.caller_key(), folder.secret("api-key")
    for name in (SIGNING_KEY, CALLER_KEY, secret_file("api-key")):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    again = SandboxFolder(tmp_path)
    assert again.caller_key().private_numbers() == first.private_numbers()
    assert again.secret("api-key") == secret


def test_a_configuration_of_its_own_is_written_anew(tmp_path: Path) -> None:
    SandboxFolder(tmp_path).write_configuration({"server": {"listen": "a"}}, {})
    folder = SandboxFolder(tmp_path)
    folder.write_configuration({"server": {"listen": "a"}}, {"server": {"listen": "b"}})
    assert 'listen = "b"' in folder.config_path.read_text()


def test_another_configuration_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "talaria.toml").write_text("[server]\n")
    with pytest.raises(ForeignFolder, match="choose another folder"):
        SandboxFolder(tmp_path)
    assert not (tmp_path / "keys").exists()
