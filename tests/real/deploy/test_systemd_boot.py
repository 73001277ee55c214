"""The unit under a systemd that was booted for it: start, reload, restart, watchdog, stop.

The machine is a root of Debian's packages in build/systemd, made once; it shares the network of this one.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.real.deploy.support_deploy import DEPLOY, ROOT
from tests.real.support_programs import program
from tests.real.support_running import Program, output_of, running

pytestmark = [pytest.mark.built, pytest.mark.timeout(600)]
MACHINE = ROOT / "build" / "systemd" / "root"
PACKAGES = "ca-certificates,python3,python3-venv,systemd,systemd-sysv,dbus"
INSTALL = """
rm -rf /opt/talaria && python3 -m venv --without-pip /opt/talaria
export PYTHONPATH=/wheels/pip.whl PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
python3 -m pip --python /opt/talaria/bin/python install --require-hashes --requirement /requirements.lock
python3 -m pip --python /opt/talaria/bin/python install --no-deps /wheels/talaria_proxy-*.whl
systemd-sysusers && systemctl enable talaria && chown -R talaria:talaria /etc/talaria
"""
WATCHDOG = "[Service]\nWatchdogSec=3\n"
"""Quicker than the unit's own, so that the test need not wait for half a minute."""
SECONDS = 60.0


class Machine:
    """A booted one. `leader`: the pid of its systemd, as this machine counts."""

    def __init__(self, leader: int, folder: Path) -> None:
        self._enter = [program("nsenter"), f"--target={leader}", "--mount", "--uts", "--ipc", "--pid", "--"]
        self._folder = folder

    async def run(self, *command: str) -> str:
        """What a command says inside. Fails where it fails, with the last lines of the unit."""
        try:
            return await output_of(*self._enter, *command, folder=self._folder)
        except AssertionError as error:
            asked = ("journalctl", "--no-pager", "--unit=talaria", "--lines=30")
            error.add_note(await output_of(*self._enter, *asked, folder=self._folder))
            raise

    async def shows(self, name: str) -> str:
        """A property of the unit."""
        return (await self.run("systemctl", "show", "talaria", "--property", name, "--value")).strip()

    async def until(self, name: str, value: str) -> None:
        """Wait until a property of the unit has this value."""
        async with asyncio.timeout(SECONDS):
            while await self.shows(name) != value:
                await asyncio.sleep(0.2)  # systemctl is a process each time


async def leader_of(nspawn: Program) -> int:
    """The pid of the systemd that it starts."""
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    async with asyncio.timeout(SECONDS):
        while "login:" not in nspawn.log.read_text():
            assert nspawn.process.returncode is None, nspawn.last_words()
            await asyncio.sleep(0.2)  # a file tells nothing when it grows
    (leader,) = map(int, children.read_text().split())
    return leader


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with running_sandbox(gateway=False, folder=tmp_path / "sandbox") as running_services:
        yield running_services


@pytest.fixture
async def machine(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Machine]:
    """A booted machine with the unit, installed as docs/deploy.md says, but from wheels."""
    assert os.geteuid() == 0, "to boot a machine takes root"
    nspawn = [program("systemd-nspawn"), "--quiet", "--register=no", "--keep-unit", f"--directory={MACHINE}"]
    if not (MACHINE / "etc").is_dir():
        MACHINE.parent.mkdir(parents=True, exist_ok=True)
        arguments = ["--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(MACHINE)]
        await output_of(program("mmdebstrap"), *arguments, folder=ROOT, timeout=500)
    await output_of(DEPLOY / "image.sh", "wheels", folder=ROOT, timeout=300)
    shutil.copy(DEPLOY / "talaria.service", MACHINE / "etc/systemd/system")
    shutil.copy(DEPLOY / "talaria.sysusers.conf", MACHINE / "usr/lib/sysusers.d/talaria.conf")
    quicker = MACHINE / "etc/systemd/system/talaria.service.d/watchdog.conf"
    quicker.parent.mkdir(exist_ok=True)
    quicker.write_text(WATCHDOG)
    shutil.rmtree(MACHINE / "etc/talaria", ignore_errors=True)
    shutil.copytree(tmp_path / "sandbox", MACHINE / "etc/talaria")
    mounted = [f"--bind-ro={ROOT / 'build/image/wheels'}:/wheels", f"--bind-ro={ROOT / 'requirements.lock'}"]
    mounted[1] += ":/requirements.lock"
    await output_of(*nspawn, *mounted, "sh", "-ec", INSTALL, folder=tmp_path, timeout=120)
    async with running("nspawn", *nspawn, "--boot", "--console=read-only", folder=tmp_path) as booted:
        inside = Machine(await leader_of(booted), tmp_path)
        yield inside
        await inside.run("systemctl", "poweroff")
        async with asyncio.timeout(SECONDS):
            await booted.process.wait()


async def status(url: str, **headers: str) -> int:
    """Of one answer."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url, headers=headers)).status_code


async def test_the_unit_does_what_deploy_md_says(machine: Machine, sandbox: Sandbox) -> None:
    await machine.until("ActiveState", "active")
    assert await status(f"{sandbox.ops_url}/readyz") == 200  # at once: active says that it serves
    assert await status(f"{sandbox.public_url}/echo", **sandbox.headers()) == 200

    await machine.run("systemctl", "reload", "talaria")
    config = MACHINE / "etc/talaria/talaria.toml"
    good = config.read_text()
    config.write_text(f"nonsense = 1\n{good}")
    with pytest.raises(AssertionError, match=r"Job for talaria\.service failed"):
        await machine.run("systemctl", "reload", "talaria")
    assert await status(f"{sandbox.ops_url}/readyz") == 200

    with pytest.raises(AssertionError, match=r"Job for talaria\.service failed"):
        await machine.run("systemctl", "restart", "talaria")
    await machine.until("ActiveState", "failed")
    assert (await machine.shows("ExecMainStatus"), await machine.shows("NRestarts")) == ("78", "0")

    config.write_text(good)
    await machine.run("systemctl", "start", "talaria")
    assert await status(f"{sandbox.ops_url}/readyz") == 200
    await machine.run("systemctl", "kill", "--signal=SIGKILL", "talaria")
    await machine.until("NRestarts", "1")
    await machine.until("ActiveState", "active")
    await machine.run("systemctl", "kill", "--signal=SIGSTOP", "talaria")
    await machine.until("NRestarts", "2")
    await machine.until("ActiveState", "active")
    assert await status(f"{sandbox.public_url}/echo", **sandbox.headers()) == 200

    await machine.run("systemctl", "stop", "talaria")
    assert (await machine.shows("Result"), await machine.shows("ExecMainStatus")) == ("success", "0")
