"""`talaria serve` as a process of its own, in front of a sandbox's services."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from talaria.sandbox.stack import Sandbox
from tests.support_paths import fast_path

STARTING = 15.0
EXEC = 'exec "$@"'


class Served:
    """A running `talaria serve`. `log` is all that it wrote."""

    def __init__(self, process: asyncio.subprocess.Process, ops_url: str, log: Path) -> None:
        self.process = process
        self.ops_url = ops_url
        self.log = log

    def children(self) -> list[int]:
        """The pids below it: the workers in their order, then the operators' process."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return sorted(map(int, path.read_text().split()))

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    async def past_the_first_second(self) -> None:
        """Wait until each child has lived for a second: one that dies earlier is replaced a second later."""
        async with asyncio.timeout(STARTING):
            while min(map(_age_of, self.children())) < 1.1:
                await asyncio.sleep(0.02)

    async def ready(self) -> None:
        """Wait until the operators' listener says so."""
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(STARTING):
            while True:
                assert self.process.returncode is None, self.log.read_text()
                try:
                    if (await client.get(f"{self.ops_url}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.02)

    async def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


async def launch(sandbox: Sandbox, log: Path, ops_port: int, *, script: str = EXEC, **settings: str) -> Served:
    """Start one from the sandbox's files; `settings` are variables below TALARIA__SERVER__. It may not be ready yet.

    `script`: how a shell starts it, from its arguments.
    """
    path = "true" if fast_path() else "false"
    changes = {"ops_listen": f"{sandbox.host}:{ops_port}", "fast_path": path, **settings}
    environ = {f"TALARIA__SERVER__{name.upper()}": value for name, value in changes.items()}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", script, "sh"),
            *(sys.executable, "-m", "talaria", "serve", "--config", str(sandbox.config_path)),
            env={**os.environ, **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    return Served(process, f"http://{sandbox.host}:{ops_port}", log)


async def serve(sandbox: Sandbox, log: Path, ops_port: int, *, script: str = EXEC, **settings: str) -> Served:
    """Like `launch`, and returns once it is ready."""
    served = await launch(sandbox, log, ops_port, script=script, **settings)
    try:
        await served.ready()
    except BaseException:
        await end(served)
        raise
    return served


@contextmanager
def held(sandbox: Sandbox) -> Iterator[None]:
    """The sandbox's port for the gateway stays ours: bound by a socket that does not listen."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((sandbox.host, sandbox.ports.gateway))
        yield


@asynccontextmanager
async def serving(sandbox: Sandbox, log: Path, *, script: str = EXEC, **settings: str) -> AsyncIterator[Served]:
    """One that is killed at the end, where it still runs."""
    with held(sandbox):
        served = await serve(sandbox, log, sandbox.ports.ops, script=script, **settings)
        try:
            yield served
        finally:
            await end(served)


async def end(served: Served) -> None:
    """Kill it and all below it, where they still run."""
    if served.process.returncode is None:
        for pid in [served.process.pid, *served.children()]:
            os.kill(pid, signal.SIGKILL)
        await served.process.wait()


def _age_of(pid: int) -> float:
    """Seconds since this process began."""
    started = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text().split()[0]) - started
