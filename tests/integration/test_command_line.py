"""The command line as a process: what it imports, what it leaves where it can't write, what it does without stdout."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from talaria import __version__
from talaria.sandbox.stack import running_sandbox
from tests.support_plugins import install
from tests.support_waiting import PATIENT


@pytest.mark.parametrize("closed", [">&- 2>&-", ">&- 2>&- <&-", ">&-"])
def test_a_gateway_starts_with_closed_standard_descriptors(closed: str) -> None:
    """No socket becomes one of them, and what is printed goes nowhere."""
    arguments = [sys.executable, "-m", "talaria", "sandbox", "--once", "--port", "0"]
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *arguments]
    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL, timeout=60).returncode == 0  # noqa: S603


def test_the_version_imports_no_command_and_no_server() -> None:
    code = (
        "import sys; from talaria.entrypoints.cli.main import cli; cli(['--version'], standalone_mode=False); "
        "heavy = ('litestar', 'httpx', 'uvicorn', 'jwt', 'msgspec', 'talaria.entrypoints.cli.serve'); "
        "sys.exit(str([name for name in heavy if name in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.stderr.strip() == ""


def talaria(*arguments: str, stdout: int | IO[bytes], **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, in an environment that has nothing else in it."""
    command = [sys.executable, "-m", "talaria", *arguments]
    env = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, env=env, check=False)  # noqa: S603


@pytest.mark.parametrize(
    "arguments", [["sandbox", "--once", "--port", "0"], ["init", "here"], ["partner", "new", "comet", "--to", "here"]]
)
def test_no_file_is_written_or_read_in_the_encoding_of_the_locale(tmp_path: Path, arguments: list[str]) -> None:
    strict = {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "error::EncodingWarning"}
    at = [str(tmp_path / word) if word == "here" else word for word in arguments]
    done = talaria(*at, stdout=subprocess.PIPE, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", LC_ALL="C", **strict)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "--schema"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_a_sentence_and_exit_code_1(arguments: list[str], unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = talaria(*arguments, stdout=full, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["What was to be said could not be written: No space left on device."],
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_gone_is_no_traceback(unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = talaria("check", "--schema", stdout=writing, PYTHONUNBUFFERED=unbuffered)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


LEAKY = """
class Accounts:
    contract = 1
    api_key_required = True

    def __init__(self, partner):
        raise ValueError(f"what a key: {partner.api_key.reveal()}")

    async def user_of(self, phone, call):
        raise NotImplementedError

    async def probe(self, call):
        raise NotImplementedError
"""
PERSONS = """
[partner]
api_key = { file = "secrets/wind-api-key" }
[[persons]]
identity = "+4915112345678"
"""


async def test_the_text_of_a_fault_is_never_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "leaky", LEAKY)
    (tmp_path / "persons.toml").write_text(PERSONS)
    config = {**PATIENT, "partners": {"wind": {"adapter": "leaky"}}}
    async with running_sandbox(gateway=False, folder=tmp_path, config=config) as sandbox:
        at = ("--config", str(sandbox.config_path))
        partner_test = ("test", "leaky", "--url", sandbox.wind.url, "--persons", str(tmp_path / "persons.toml"))
        for command in (("serve", *at), ("doctor", *at), ("partner", *partner_test)):
            done = await asyncio.to_thread(talaria, *command, stdout=subprocess.PIPE, PYTHONPATH=str(tmp_path))
            said = done.stdout + done.stderr
            assert (done.returncode, "ValueError" in said) == (1, True), (command, said)
            assert sandbox.wind.api_key not in said
            assert "Traceback" not in said


def test_a_stdout_of_another_encoding_shows_what_it_can(tmp_path: Path) -> None:
    out = tmp_path / "\N{SNOWMAN}.pem"
    done = talaria("keys", "new", "--out", str(out), stdout=subprocess.PIPE, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2603.pem" in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["keys", "new", "--out", "k.pem"], ["check"]])
def test_closed_standard_descriptors_are_no_failure(tmp_path: Path, arguments: list[str]) -> None:
    command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-m", "talaria", *arguments]
    done = subprocess.run(command, cwd=tmp_path, check=False)  # noqa: S603
    assert done.returncode == (78 if arguments == ["check"] else 0)


def test_the_module_runs_as_the_script_does() -> None:
    done = subprocess.run([sys.executable, "-m", "talaria", "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == f"talaria, version {__version__}"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_descriptor_that_is_closed_is_taken_before_a_socket_can_be_it(closed: str) -> None:
    code = (
        "import os, sys; from talaria.entrypoints.cli.main import take_standard_descriptors; "
        "take_standard_descriptors(); null = os.stat(os.devnull).st_rdev; "
        "sys.exit(sys.stdout is None or sys.stderr is None or null not in [os.fstat(n).st_rdev for n in range(3)])"
    )
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", code]
    assert subprocess.run(command, check=False, stdout=subprocess.PIPE).returncode == 0  # noqa: S603


def test_an_adapter_needs_no_http_library_to_be_found() -> None:
    program = (
        "import sys; from talaria.adapters import partners; partners.find('wind'); sys.exit('httpx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603
