"""`talaria reload`: what it says of what came of it."""

from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from talaria.entrypoints.cli.main import cli
from tests.unit.entrypoints.cli.support_listener import Listener


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    return Listener(monkeypatch)


def reload() -> Result:
    return CliRunner().invoke(cli, ["reload", "--ops", "http://10.0.0.5:9090"])


def test_what_was_taken_is_said(listener: Listener) -> None:
    listener.body = b'{"reloaded": 2, "workers": 2, "hash": "0123456789ab"}'
    result = reload()
    assert (result.exit_code, result.stdout) == (0, "Reloaded, hash 0123456789ab.\n")
    assert (listener.methods, listener.urls) == (["PUT"], ["http://10.0.0.5:9090/reload"])


def test_what_was_not_taken_is_a_failure(listener: Listener) -> None:
    listener.body = b'{"reloaded": 0, "workers": 2, "hash": "0123456789ab"}'
    result = reload()
    assert result.exit_code == 1
    assert "0 of 2 workers" in result.stderr


def test_an_older_gateway_is_told(listener: Listener) -> None:
    assert "no operators' listener of this version" in reload().stderr


def test_where_none_runs(listener: Listener, tmp_path: Path) -> None:
    listener.error = httpx.ConnectTimeout("timed out")
    result = reload()
    assert result.exit_code == 1
    assert "no answer within 15 s" in result.stderr
