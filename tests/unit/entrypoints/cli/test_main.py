"""The frame of the command line: what it lists, and how it ends."""

import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path

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


def options_with(metavars: set[str], command: click.Command, *words: str) -> Iterator[tuple[str, ...]]:
    """The words that lead to each option of this kind, below this command."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from options_with(metavars, inner, *words, name)
    yield from ((*words, one.opts[0]) for one in command.params if getattr(one, "metavar", None) in metavars)


NO_ADDRESSES = ["", "x", "http://", "http://[::1", "http://x:abc", "http://x:99999", "http://a..b", "[::1"]


def test_what_is_no_address_is_wrong_usage() -> None:
    options = list(options_with({"URL", "HOST:PORT"}, cli))
    assert ("doctor", "--balancer") in options
    for words, written in product(options, NO_ADDRESSES):
        result = CliRunner().invoke(cli, [*words, written])
        assert result.exit_code == 2, (words, written, result.exception)
        assert f"Invalid value for '{words[-1]}'" in result.output


@pytest.mark.parametrize(
    ("arguments", "command", "path"),
    [
        (["init", "it's here"], "talaria check", "it's here/talaria.toml"),
        (["partner", "new", "comet", "--to", "it's here"], "pip install", "it's here"),
        (["check", "--config", "it's not here/talaria.toml"], "talaria init", "it's not here"),
    ],
)
def test_a_path_is_one_word_of_a_command_that_is_to_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], command: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (line,) = [line for line in CliRunner().invoke(cli, arguments).output.splitlines() if command in line]
    assert shlex.split(line[line.index(command) :])[-1] == path


@pytest.mark.parametrize(("arguments", "meant"), [(["sevre"], "serve"), (["partner", "tset"], "test")])
def test_a_command_that_is_nearly_one_gets_a_did_you_mean(arguments: list[str], meant: str) -> None:
    assert f"Did you mean '{meant}'?" in click.unstyle(CliRunner().invoke(cli, arguments).output)
