"""The gateway and both examples as wheels in a fresh environment: found by name, checked, tried, run.

Nothing is downloaded: the environment borrows the libraries of the one that runs the tests, and no package of ours.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from talaria import __version__
from talaria.testing.printed import personal_in

ROOT = Path(__file__).parents[2]
PARTNERS = ("comet", "lynx")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--isolated")
OFFLINE = ("--no-index", "--no-deps")


def run(*command: str, folder: Path) -> str:
    """What the program printed, which holds nothing personal."""
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "PATH", "TMPDIR")}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)  # noqa: S603
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert personal_in(printed) == []
    return printed


class Environment:
    """A fresh one, and a folder to be in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        wheels = [str(ROOT), *(str(ROOT / "examples" / name) for name in PARTNERS)]
        run(*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", "wheels", *wheels, folder=folder)
        run(sys.executable, "-m", "venv", "--without-pip", "fresh", folder=folder)
        (library,) = (folder / "fresh").glob("lib/python*/site-packages")
        # A path in a .pth file lends its modules; .pth files in there, such as ours for development, do nothing.
        (library / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        self.bin = folder / "fresh/bin"
        found = sorted(map(str, (folder / "wheels").glob("*.whl")))
        assert len(found) == 3
        run(*PIP, "--python", str(self.bin / "python"), "install", *OFFLINE, *found, folder=folder)

    def talaria(self, *arguments: str) -> str:
        """The command of this environment."""
        return run(str(self.bin / "talaria"), *arguments, folder=self.folder)

    def python(self, *arguments: str) -> str:
        """A program of this environment."""
        return run(str(self.bin / "python"), *arguments, folder=self.folder)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("wheels"))


def test_the_gateway_is_the_installed_one(fresh: Environment) -> None:
    assert str(fresh.folder / "fresh") in fresh.python("-c", "import talaria; print(talaria.__file__)")
    assert __version__ in fresh.talaria("--version")


def test_the_sandbox_runs_both_and_check_names_adapter_distribution_and_version(fresh: Environment) -> None:
    said = fresh.talaria("sandbox", "--once", "--port", "0", "--keep", "town", "--with", "comet", "--with", "lynx")
    assert ("gateway -> comet" in said, "gateway -> lynx" in said) == (True, True)
    listed = " ".join(fresh.talaria("check", "--config", "town/talaria.toml").split())  # its rows fold
    for name in PARTNERS:
        assert f"adapter {name} (talaria-partner-{name} 1.0.0)" in listed
    assert f"talaria-proxy {__version__}" in listed


@pytest.mark.parametrize("name", PARTNERS)
def test_the_conformance_suite_is_green(fresh: Environment, name: str) -> None:
    said = fresh.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--talaria-partner", name)
    assert " passed" in said


@pytest.mark.parametrize("name", PARTNERS)
def test_its_own_tests_are_green(fresh: Environment, name: str) -> None:
    tests = ROOT / "examples" / name / f"test_{name}.py"
    copy = fresh.folder / tests.name  # beside it the modules would be found that were not installed
    copy.write_text(tests.read_text())
    assert " passed" in fresh.python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(copy))


def test_a_new_partner_is_written_installed_and_green(fresh: Environment) -> None:
    fresh.talaria("partner", "new", "bolt")
    python = str(fresh.bin / "python")
    install = ("--python", python, "install", *OFFLINE, "--no-build-isolation", "./talaria-partner-bolt")
    run(*PIP, *install, folder=fresh.folder)
    assert " passed" in fresh.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--talaria-partner", "bolt")
