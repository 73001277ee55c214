"""A whole session of tests fails where one of them printed what must not be printed, in whichever process it ran."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINTS = """
import logging

import click
from click.testing import CliRunner

@click.command
def command():
    click.echo("ppid-unknown", err=True)

def test_command():
    CliRunner().invoke(command)

def test_taken(capsys):
    print("key: canary-key-1")
    capsys.readouterr()

def test_output():
    print("phone: +4915112345678")

def test_log():
    logging.getLogger("talaria").info("serving", extra={"key": "canary-key-1"})

def test_file(tmp_path):
    (tmp_path / "log").write_text("ppid-unknown")

def test_nothing():
    logging.getLogger("httpx").warning("GET /ppid-unknown")
"""


SEEN = """
import asyncio
import logging

from tests.support_late import again_if_late, within

def test_output():
    print("fine")

def test_log():
    logging.getLogger("talaria").info("fine")

def test_file(tmp_path):
    (tmp_path / "log").write_text("fine")

def test_late():
    seconds = [1.0, 0.0]
    async def measure():
        within(0.5, seconds.pop(0))
    asyncio.run(again_if_late(measure))
"""
DIES = """
import os

def test_dies():
    os._exit(0)
"""
CONFTEST = """
from tests.conftest import pytest_configure, pytest_terminal_summary
"""
PROCESSES = pytest.mark.parametrize("workers", ["0", "2"])


def session(folder: Path, suite: str, *options: str) -> tuple[int, str]:
    """The exit code and the output of pytest with all tests of a suite."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = suite\n")
    (folder / "suite").mkdir()
    (folder / "suite" / "test_prints.py").write_text(suite)
    plugins = ("-p", "no:cacheprovider", "-p", "xdist")
    command = [sys.executable, "-m", "pytest", "-q", *plugins, f"--rootdir={folder}", *options]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode, done.stdout


@PROCESSES
def test_a_session_that_prints_a_name_fails(tmp_path: Path, workers: str) -> None:
    code, said = session(tmp_path, PRINTS, "-n", workers)
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert "6 passed" in said
    told = sorted(line for line in said.partition("PRINTED, AND MUST NOT BE")[2].splitlines() if " printed " in line)
    names = [line.partition("::test_")[2].partition(" ")[0].rstrip(",") for line in told]
    assert names == ["command", "file", "log", "output", "taken"]


@PROCESSES
def test_a_session_fails_where_a_source_was_not_searched(tmp_path: Path, workers: str) -> None:
    code, said = session(tmp_path, SEEN.replace("talaria", "silent"), "-n", workers)
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert "nothing of this was seen: log" in said
    assert said.count("nothing of this was seen") == 1


@PROCESSES
def test_a_session_that_saw_each_source_passes_and_tells_what_was_late(tmp_path: Path, workers: str) -> None:
    code, said = session(tmp_path, SEEN, "-n", workers)
    assert code == pytest.ExitCode.OK, said
    assert "::test_late (call): 1.000 s, and not within 0.500 s" in said.partition("measured again")[2]


def test_a_session_fails_where_a_worker_took_with_it_what_it_saw(tmp_path: Path) -> None:
    code, said = session(tmp_path, SEEN + DIES, "-n", "2")
    assert code == pytest.ExitCode.TESTS_FAILED, said
    assert " died, and what it printed is not known" in said
