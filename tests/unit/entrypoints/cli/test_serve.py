"""`talaria serve`: it hands good settings on, and nothing else."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from pytest_mock import MockerFixture

from talaria.entrypoints.cli.main import cli
from talaria.entrypoints.config import Settings

VARIABLES = {"PERSONAL_TOKEN": "canary-1", "WIND_API_KEY": "canary-2", "TALARIA_SERVICES_API_KEY": "canary-3"}


@pytest.fixture(autouse=True)
def mask() -> Iterator[None]:
    """The signals of the tests stay what they are."""
    before, on_stop = signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getsignal(signal.SIGTERM)
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    signal.signal(signal.SIGTERM, on_stop)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, Path]]:
    """What `talaria.entrypoints.runtime.process.run` was called with; it answers 7."""
    calls: list[tuple[Settings, Path]] = []

    def run(settings: Settings, config_path: Path) -> int:
        calls.append((settings, config_path))
        return 7

    module = ModuleType("talaria.entrypoints.runtime.process")
    module.__dict__["run"] = run
    monkeypatch.setitem(sys.modules, "talaria.entrypoints.runtime.process", module)
    return calls


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """What `talaria init` writes."""
    CliRunner().invoke(cli, ["init", str(tmp_path)])
    return tmp_path / "talaria.toml"


def test_good_settings_are_served_and_the_exit_code_is_passed_on(
    config: Path, served: list[tuple[Settings, Path]]
) -> None:
    result = CliRunner().invoke(cli, ["serve", "--config", str(config)], env=VARIABLES)
    assert result.exit_code == 7
    ((settings, path),) = served
    assert settings.routes["wind"].callers == ("app",)
    assert path == config


def test_a_configuration_with_problems_is_not_served(config: Path, served: list[tuple[Settings, Path]]) -> None:
    result = CliRunner().invoke(cli, ["serve", "--config", str(config)], env={"WIND_API_KEY": "canary-2"})
    assert result.exit_code == 78
    assert "PERSONAL_TOKEN" in result.stderr
    assert served == []


def test_warnings_are_told_before_serving(config: Path, served: list[tuple[Settings, Path]]) -> None:
    next((config.parent / "keys").glob("*.pem")).chmod(0o644)
    result = CliRunner().invoke(cli, ["serve", "--config", str(config)], env=VARIABLES)
    assert "warning: signing.keys[0].file: " in result.stderr
    assert len(served) == 1


def test_several_workers_need_no_folder(
    config: Path, served: list[tuple[Settings, Path]], mocker: MockerFixture
) -> None:
    mocker.patch("tempfile.mkdtemp", side_effect=FileNotFoundError(2, "No usable temporary directory found"))
    env = {**VARIABLES, "TALARIA__SERVER__WORKERS": "2", "TMPDIR": "/nowhere"}
    assert CliRunner().invoke(cli, ["serve", "--config", str(config)], env=env).exit_code == 7


def test_sigterm_during_the_start_is_honoured(config: Path, served: list[tuple[Settings, Path]]) -> None:
    """As process 1 of a container it would be ignored without a handler."""
    CliRunner().invoke(cli, ["serve", "--config", str(config)], env=VARIABLES)
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 0
