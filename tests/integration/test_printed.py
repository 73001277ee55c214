"""A whole session of tests fails where one of them printed what must not be printed."""

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


def test_a_session_that_prints_a_name_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure\n")
    (tmp_path / "test_prints.py").write_text(PRINTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "6 passed" in done.stdout
    told = done.stdout.partition("PRINTED, AND MUST NOT BE")[2]
    names = ("command", "taken", "output", "log", "file", "nothing")
    assert [name for name in names if f"::test_{name}" in told] == ["command", "taken", "output", "log", "file"]
