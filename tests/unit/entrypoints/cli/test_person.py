"""`talaria person`: the name of a person in the lines."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from talaria.adapters.telemetry.recorder import pseudonyms
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.cli.main import cli

KEY = "k" * 32
ANNA = "ppid-anna"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `talaria init` writes; a shell without the service's secrets will do."""
    assert CliRunner().invoke(cli, ["init", str(tmp_path)]).exit_code == 0
    return tmp_path


def with_key(folder: Path, more: str = "") -> Path:
    config = folder / "talaria.toml"
    text = config.read_text()
    assert "\n[logging]\n" in text
    config.write_text(text.replace("\n[logging]\n", '\n[logging]\nperson_key = { env = "KEY" }\n') + more)
    return folder


def person(folder: Path, *arguments: str, key: str | None = KEY) -> Result:
    command = ["person", *arguments, "--config", str(folder / "talaria.toml")]
    return CliRunner().invoke(cli, command, env={"KEY": key})


def test_it_is_the_name_of_the_lines(folder: Path) -> None:
    result = person(with_key(folder), ANNA)
    assert (result.exit_code, result.stdout) == (0, f"{pseudonyms(KEY.encode())('app', PersonalPhoneId(ANNA))}\n")


def test_each_caller_has_its_own(folder: Path) -> None:
    other = '\n[callers.web]\nissuer = "https://web"\njwks_url = "https://web/keys"\n'
    folder = with_key(folder, other)
    lines = [line.split() for line in person(folder, ANNA).stdout.splitlines()]
    assert [name for _, name in lines] == ["app", "web"]
    assert person(folder, ANNA, "--caller", "web").stdout.split() == [lines[1][0]]


def test_without_a_key_it_can_not_say(folder: Path) -> None:
    result = person(folder, ANNA)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "logging.person_key" in result.stderr


def test_a_key_that_is_not_there_is_a_problem(folder: Path) -> None:
    result = person(with_key(folder), ANNA, key=None)
    assert result.exit_code == 78
    assert "logging.person_key" in result.stderr


@pytest.mark.parametrize("arguments", [[ANNA, "--caller", "unknown"], ["two words"], []])
def test_wrong_usage(folder: Path, arguments: list[str]) -> None:
    assert person(with_key(folder), *arguments).exit_code == 2
