"""The frame of the command line: what it lists, what it imports, how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from talaria import __version__
from talaria.entrypoints.cli.main import COMMANDS, cli


def test_the_version() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert result.output.strip() == f"talaria, version {__version__}"


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["no-such-command"], ["serve", "--no-such-option"], ["init"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, arguments).exit_code == 2


def test_the_version_imports_no_command_and_no_server() -> None:
    code = (
        "import sys; from talaria.entrypoints.cli.main import cli; cli(['--version'], standalone_mode=False); "
        "heavy = ('litestar', 'httpx', 'uvicorn', 'jwt', 'msgspec', 'talaria.entrypoints.cli.serve'); "
        "sys.exit(str([name for name in heavy if name in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.strip() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "--schema"]])
def test_a_full_disk_is_a_sentence_and_exit_code_1(arguments: list[str], unbuffered: str) -> None:
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}  # an empty one is none
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "talaria", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environ, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["What was to be said could not be written: No space left on device."],
    )


def test_the_module_runs_as_the_script_does() -> None:
    done = subprocess.run([sys.executable, "-m", "talaria", "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"talaria, version {__version__}"
