"""`talaria serve` where the machine is not as usual: no stdout, a stopped terminal, process 1 of a container."""

import asyncio
import os
import pty
import signal
import subprocess
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.faults.support_kept import KeptClient, Tally
from tests.integration.faults.support_processes import EXEC, end, launch, serving

NEW_NAMESPACE = "unshare --pid --fork --kill-child --mount-proc"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(gateway=False) as running:
        yield running


async def ask(sandbox: Sandbox, times: int) -> list[int]:
    """The statuses of so many requests, one after the other."""
    client, tally = KeptClient(sandbox.public_url, sandbox.headers()), Tally()
    for _ in range(times):
        await client.ask(tally)
    client.close()
    assert tally.lost == []
    return tally.statuses


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-"])
async def test_a_standard_descriptor_may_be_closed(
    sandbox: Sandbox, tmp_path: Path, redirection: str, workers: str
) -> None:
    async with serving(sandbox, tmp_path / "log", script=f"{EXEC} {redirection}", workers=workers) as served:
        assert await ask(sandbox, 3) == [200] * 3
        assert await served.stop() == 0


async def test_a_variable_of_prometheus_changes_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nonexistent")
    async with serving(sandbox, tmp_path / "log") as served:
        assert await ask(sandbox, 3) == [200] * 3
        assert await served.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_terminal_that_is_not_read_holds_nothing_up(sandbox: Sandbox, tmp_path: Path, workers: str) -> None:
    controller, terminal = pty.openpty()
    termios.tcflow(terminal, termios.TCOOFF)  # what Ctrl-S does
    script = f"export TALARIA__LOGGING__FORMAT=json; {EXEC} >{os.ttyname(terminal)}"
    try:
        async with serving(sandbox, tmp_path / "log", script=script, workers=workers) as served, asyncio.timeout(60):
            assert await ask(sandbox, 300) == [200] * 300
            termios.tcflow(terminal, termios.TCOON)
            loop, said = asyncio.get_running_loop(), b""
            while b'"event":"request"' not in said:
                said += await loop.run_in_executor(None, os.read, controller, 65_536)
            os.set_blocking(controller, False)
            loop.add_reader(controller, lambda: os.read(controller, 65_536))
            assert await served.stop() == 0
            loop.remove_reader(controller)
    finally:
        os.close(controller)
        os.close(terminal)


@pytest.fixture
def namespaces() -> None:
    """Skips where a user may make none."""
    made = subprocess.run(["sh", "-c", f"{NEW_NAMESPACE} true"], capture_output=True, check=False)  # noqa: S603, S607
    if made.returncode:
        pytest.skip("no permission for a new namespace")


def inner(parent: int) -> int:
    """The process 1 of the namespace that this one made."""
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_as_process_1_it_stops_and_reaps(sandbox: Sandbox, tmp_path: Path, workers: str) -> None:
    orphan = "(sleep 0.1 &); "
    script = f'exec {NEW_NAMESPACE} sh -c \'{orphan}exec "$@"\' sh "$@"'
    async with serving(sandbox, tmp_path / "log", script=script, workers=workers) as served, asyncio.timeout(30):
        first = inner(served.process.pid)
        children = Path(f"/proc/{first}/task/{first}/children")
        while "sleep" in [Path(f"/proc/{pid}/comm").read_text().strip() for pid in children.read_text().split()]:
            await asyncio.sleep(0.02)
        assert await ask(sandbox, 3) == [200] * 3
        os.kill(first, signal.SIGTERM)
        assert await served.process.wait() == 0


@pytest.mark.usefixtures("namespaces")
async def test_as_process_1_it_stops_while_it_starts(sandbox: Sandbox, tmp_path: Path) -> None:
    """Its configuration is a pipe here that is not written: so long does the start take."""
    content = sandbox.config_path
    content.unlink()
    os.mkfifo(content)
    script = f"exec {NEW_NAMESPACE} {EXEC.removeprefix('exec ')}"
    served = await launch(sandbox, tmp_path / "log", sandbox.ports.ops, script=script)
    try:
        async with asyncio.timeout(30):
            while (pipe := _opened(content)) is None:
                await asyncio.sleep(0.02)
            os.kill(inner(served.process.pid), signal.SIGTERM)
            assert await served.process.wait() == 0
        os.close(pipe)
    finally:
        await end(served)


def _opened(pipe: Path) -> int | None:
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # it is not read yet
        return None
