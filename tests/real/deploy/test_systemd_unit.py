"""The unit, as systemd reads it."""

import re
from pathlib import Path

import pytest

from tests.real.deploy.support_deploy import DEPLOY
from tests.real.support_programs import VENV, program
from tests.real.support_running import output_of

MOST_EXPOSED = 15
"""Tenths of what `systemd-analyze security` calls exposure; 100 is a unit without any restriction."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the command of this environment: systemd looks whether it is there."""
    path = tmp_path / "talaria.service"
    path.write_text((DEPLOY / "talaria.service").read_text().replace("/opt/talaria/bin", str(VENV)))
    return path


async def test_systemd_has_nothing_to_say(unit: Path) -> None:
    assert await output_of(program("systemd-analyze"), "verify", "--man=no", unit, folder=unit.parent) == ""


async def test_it_is_exposed_to_little(unit: Path) -> None:
    arguments = ("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", unit)
    said = await output_of(program("systemd-analyze"), *arguments, folder=unit.parent)
    assert "Overall exposure level" in said


def test_it_waits_for_the_whole_drain() -> None:
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", (DEPLOY / "talaria.service").read_text(), re.MULTILINE)
    assert int(seconds) > 25  # server.drain_timeout
