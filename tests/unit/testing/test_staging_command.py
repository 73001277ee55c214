"""`talaria partner test`: what its file and its options may say. That it asks is tried in integration/partners."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from talaria.domain.model import PartnerUserId, PhoneNumber
from talaria.entrypoints.cli.main import cli
from talaria.testing.printed import personal_in
from talaria.testing.staging import TestPerson
from talaria.testing.staging_command import read

GOOD = """
[partner]
api_key = { env = "WIND_STAGING_KEY" }
timeout = "1s"

[[persons]]
identity = "+447700900001"
user_id = "u-1"

[[persons]]
identity = "+447700900002"
expect = "refused"
"""
URL = "https://staging.wind.example/v1"


@pytest.fixture(autouse=True)
def staging_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIND_STAGING_KEY", "a-key")


def written(folder: Path, text: str) -> Path:
    (folder / "persons.toml").write_text(text)
    return folder / "persons.toml"


def tried(path: Path, *more: str) -> Result:
    """The command's result, with nothing asked: the file is refused, or the usage is wrong."""
    return CliRunner().invoke(cli, ["partner", "test", "wind", "--url", URL, "--persons", str(path), *more])


def test_the_file_has_the_partners_table_and_its_persons(tmp_path: Path) -> None:
    partner, persons = read(written(tmp_path, GOOD), "wind", URL)
    assert (partner.id, partner.url, partner.timeout, partner.attempts) == ("wind", URL, 1.0, 3)
    assert partner.found is not None
    assert persons == [
        TestPerson(PhoneNumber("+447700900001"), "user", PartnerUserId("u-1")),
        TestPerson(PhoneNumber("+447700900002"), "refused"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "key", "line"),
    [
        ('identity = "+447700900001"', 'identity = "0447700900001"', "persons[0].identity", 7),
        ('identity = "+447700900001"', "identity = 447700900001", "persons[0].identity", 7),
        ('identity = "+447700900001"', 'identity = "anna@people.example"', "persons[0].identity", 7),
        ('identity = "+447700900001"', "", "persons[0].identity", 6),
        ('identity = "+447700900001"', 'phone = "+447700900001"', "persons[0].phone", 7),
        ('user_id = "u-1"', 'user_id = "u 1"', "persons[0].user_id", 8),
        ('expect = "refused"', 'expect = "blocked"', "persons[1].expect", 12),
        ('expect = "refused"', 'expect = "refused"\nuser_id = "u-1"', "persons[1].user_id", 13),
        ('api_key = { env = "WIND_STAGING_KEY" }', "", "partner.api_key", 2),
        ("WIND_STAGING_KEY", "NO_SUCH_KEY", "partner.api_key", 3),
        ('timeout = "1s"', "timeout = 1", "partner.timeout", 4),
        ('timeout = "1s"', "options = { a = 1 }", "partner.options.a", 4),
        (GOOD, "[partner]", "persons", 0),
        (GOOD, "partner = 1", "partner", 1),
        (GOOD, "[partner", "", 0),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_no_persons_number(
    tmp_path: Path, before: str, after: str, key: str, line: int
) -> None:
    result = tried(written(tmp_path, GOOD.replace(before, after)))
    assert result.exit_code == 78
    assert key in result.stderr
    assert not line or f"(line {line})" in result.stderr, result.stderr
    assert personal_in(result.output) == []


def test_an_adapter_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    result = CliRunner().invoke(cli, ["partner", "test", "wimd", "--url", URL, "--persons", str(path)])
    assert (result.exit_code, 'there is no adapter "wimd"' in result.stderr) == (78, True)


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    result = tried(tmp_path / "persons.toml")
    assert (result.exit_code, "name another file with --persons" in result.stderr) == (78, True)
    assert "--config" not in result.stderr


@pytest.mark.parametrize(
    "more", [("--rate", ""), ("--rate", "fast"), ("--rate", "0/s"), ("--url", "wind"), ("--url", "https://a/?b=c")]
)
def test_other_limits_and_urls_are_wrong_usage(tmp_path: Path, more: tuple[str, str]) -> None:
    result = tried(written(tmp_path, GOOD), *more)
    assert (result.exit_code, more[0] in result.stderr) == (2, True)


def test_url_and_persons_are_needed() -> None:
    assert CliRunner().invoke(cli, ["partner", "test", "wind"]).exit_code == 2


def test_help_lists_both_commands_of_partners() -> None:
    listed = CliRunner().invoke(cli, ["partner", "--help"]).output
    assert "new" in listed
    assert "test" in listed
