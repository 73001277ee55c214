"""SIGHUP to `talaria serve`, with one process and with several."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.support_waiting import until

WAY = "/v1/scooters/nearby"


@asynccontextmanager
async def serving(sandbox: Sandbox, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`talaria serve` among the sandbox's services; it ends with exit code 0."""
    command = [sys.executable, "-m", "talaria", "serve", "--config", str(sandbox.config_path)]
    with log.open("wb") as printed:
        process = await asyncio.create_subprocess_exec(*command, stdout=printed, stderr=printed)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def until_served(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition; a gateway that is not there yet is none."""
    await until(holds, seconds=20, not_yet=(httpx.TransportError,))


def change(sandbox: Sandbox, text: str, by: str) -> None:
    before = sandbox.config_path.read_text()
    assert text in before
    sandbox.config_path.write_text(before.replace(text, by))


@pytest.mark.parametrize("workers", [1, 2])
async def test_every_process_takes_what_is_valid_and_refuses_what_is_not(workers: int, tmp_path: Path) -> None:
    async with running_sandbox(gateway=False, config={"server": {"workers": workers}}) as sandbox:

        async def statuses() -> set[int]:
            """Of enough new connections to meet every worker."""
            found = set()
            for _ in range(12):
                async with httpx.AsyncClient(trust_env=False) as client:
                    found.add((await client.get(f"{sandbox.public_url}{WAY}", headers=sandbox.headers())).status_code)
            return found

        async def last_reload() -> str:
            async with httpx.AsyncClient(trust_env=False) as client:
                text = (await client.get(f"{sandbox.ops_url}/metrics")).text
            return next(line for line in text.splitlines() if line.startswith("talaria_config_last_reload_success "))

        async def all_are(status: int) -> bool:
            return await statuses() == {status}

        async def reload_is(ok: bool) -> bool:
            return float((await last_reload()).split()[1]) == ok

        async with serving(sandbox, tmp_path / "log") as process:
            await until_served(lambda: all_are(200))
            change(sandbox, 'callers = ["app"]', 'callers = ["app"]\nmethods = ["POST"]')
            os.kill(process.pid, signal.SIGHUP)
            await until_served(lambda: all_are(405))
            await until_served(lambda: reload_is(True))
            change(sandbox, 'methods = ["POST"]', 'methods = ["FETCH"]')
            os.kill(process.pid, signal.SIGHUP)
            await until_served(lambda: reload_is(False))
            assert await statuses() == {405}


async def say(pipe: Path, text: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait until this pipe is read, and do something else before the text is written."""
    async with asyncio.timeout(20):
        while (descriptor := _opened(pipe)) is None:
            await asyncio.sleep(0.01)
    meanwhile()
    os.write(descriptor, text.encode())
    os.close(descriptor)


def _opened(pipe: Path) -> int | None:
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # it is not read yet
        return None


async def test_a_signal_while_the_configuration_is_read_is_not_lost(tmp_path: Path) -> None:
    async with running_sandbox(gateway=False) as sandbox:
        before = sandbox.config_path.read_text()
        after = before.replace('callers = ["app"]', 'callers = ["app"]\nmethods = ["POST"]')
        sandbox.config_path.unlink()
        os.mkfifo(sandbox.config_path)

        async def status_is(status: int) -> bool:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"{sandbox.public_url}{WAY}", headers=sandbox.headers())).status_code == status

        async with serving(sandbox, tmp_path / "log") as process:
            await say(sandbox.config_path, before, lambda: os.kill(process.pid, signal.SIGHUP))
            await until_served(lambda: status_is(200))
            await say(sandbox.config_path, after)
            await until_served(lambda: status_is(405))
