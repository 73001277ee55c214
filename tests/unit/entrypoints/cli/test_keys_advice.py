"""`talaria keys list` and `retire`: what is safe now, and why."""

from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result
from pytest_mock import MockerFixture

from talaria.adapters.auth.key_rotation import KeyUse
from talaria.entrypoints.cli import keys
from talaria.entrypoints.cli.init import command as init
from talaria.entrypoints.cli.keys import advise
from talaria.entrypoints.ops.answers import KeysInForce
from tests.unit.entrypoints.cli.support_listener import Listener


def use(kid: str = "old", *, signs: bool = False, published_at: float = 0.0, good_until: float = 0.0) -> KeyUse:
    return KeyUse(kid, "ES256", signs, published_at, good_until)


def test_the_key_that_signs_stays() -> None:
    advice = advise(use(signs=True), 300, 9000.0)
    assert (advice.may_retire, advice.next) == (False, "keep it")


def test_a_new_key_signs_once_every_key_set_that_lacks_it_is_too_old() -> None:
    assert advise(use(published_at=1000.0), 300, 1299.9).next == "may sign from 1970-01-01 00:21:40Z"
    assert advise(use(published_at=1000.0), 300, 1300.0).next == "may sign, or be retired"


def test_an_old_key_goes_once_its_last_token_has_expired() -> None:
    assert not advise(use(good_until=2000.0), 300, 1999.9).may_retire
    assert advise(use(good_until=2000.0), 300, 2000.0).may_retire
    assert "00:33:20Z" in advise(use(good_until=2000.0), 300, 1999.9).why


@pytest.fixture
def config(tmp_path: Path, mocker: MockerFixture) -> Path:
    mocker.patch("talaria.entrypoints.cli.keys.time").time.return_value = 1000.0
    CliRunner().invoke(init, [str(tmp_path)])
    return tmp_path / "talaria.toml"


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(keys.command, [*arguments, "--config", str(config)])


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    return Listener(monkeypatch)


def in_force(*uses: KeyUse) -> bytes:
    return msgspec.json.encode(KeysInForce(list(uses)))


def test_the_list_says_what_to_do_with_each(config: Path, listener: Listener) -> None:
    listener.body = in_force(use("now", signs=True), use("old", good_until=1050.0))
    told = run(config, "list")
    assert told.exit_code == 0
    assert "keep it until 1970-01-01 00:17:30Z" in told.output
    assert "The configuration on disk says otherwise" in told.output


def test_without_the_gateway_the_rules_are_told(config: Path, listener: Listener) -> None:
    listener.error = httpx.ConnectError("failed")
    listener.error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    told = run(config, "list")
    assert told.exit_code == 0
    assert "300 s" in told.output
    assert "60s" in told.output
    refused = run(config, "retire", "old")
    assert refused.exit_code == 1
    assert "Connection refused" in refused.output


@pytest.mark.parametrize(
    ("old", "code", "words"),
    [
        (use(good_until=1000.0), 0, "old can be retired"),
        (use(good_until=1000.1), 1, "old can't be retired yet"),
        (use(signs=True), 1, "old can't be retired yet"),
        (use("another"), 1, 'No key in force has the kid "old"'),
    ],
)
def test_a_key_is_retired_when_it_is_safe(config: Path, listener: Listener, old: KeyUse, code: int, words: str) -> None:
    listener.body = in_force(old)
    told = run(config, "retire", "old")
    assert (told.exit_code, words in told.output) == (code, True)


def test_another_program_at_the_address_is_no_gateway(config: Path, listener: Listener) -> None:
    listener.body = b"<html>"
    assert "no operators' listener" in run(config, "retire", "old").output


def test_a_program_without_keys_is_no_gateway(config: Path, listener: Listener) -> None:
    assert "no operators' listener" in run(config, "retire", "old").output
