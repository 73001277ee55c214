"""`talaria serve` under a service manager: what systemd would read of it, with one process and with several."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.test_reload_signal import serving

SECONDS = 20.0


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound

    async def reads(self, *wanted: str) -> None:
        """Wait until these assignments have come, in this order; others may come between."""
        async with asyncio.timeout(SECONDS):
            for assignment in wanted:
                while assignment not in await self._message():
                    pass

    async def _message(self) -> list[str]:
        data = await asyncio.get_running_loop().sock_recv(self._bound, 4096)
        return data.decode().splitlines()


@pytest.fixture
async def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Manager]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.setblocking(False)
        bound.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        yield Manager(bound)


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    async with running_sandbox(gateway=False, config={"server": {"workers": request.param}}) as running:
        yield running


async def test_each_state_of_the_process_is_said(sandbox: Sandbox, manager: Manager, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path / "log") as process:
        await manager.reads("READY=1", "WATCHDOG=1", "WATCHDOG=1")
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{sandbox.ops_url}/readyz")).status_code == 200
        process.send_signal(signal.SIGHUP)
        await manager.reads("RELOADING=1", "READY=1")
        sandbox.config_path.write_text("not = toml =")
        process.send_signal(signal.SIGHUP)  # a reload that is refused is over, too
        await manager.reads("RELOADING=1", "READY=1")
        stopping = asyncio.create_task(manager.reads("STOPPING=1"))
    await stopping
