"""The frame of the command line: what it lists, and how it ends."""

import click
import pytest
from click.testing import CliRunner

from talaria import __version__
from talaria.entrypoints.cli.main import COMMANDS, cli


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version(option: str) -> None:
    result = CliRunner().invoke(cli, [option])
    assert result.exit_code == 0
    assert result.output.strip() == f"talaria, version {__version__}"


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["no-such-command"], ["serve", "--no-such-option"], ["token"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == 2


@pytest.mark.parametrize(("arguments", "meant"), [(["sevre"], "serve"), (["partner", "tset"], "test")])
def test_a_command_that_is_nearly_one_gets_a_did_you_mean(arguments: list[str], meant: str) -> None:
    assert f"Did you mean '{meant}'?" in click.unstyle(CliRunner().invoke(cli, arguments).output)
