"""A real program that runs beside the gateway on loopback, and its certain end."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from talaria.sandbox import stack

STARTING = 20.0
ENDING = 5.0


@dataclass(slots=True)
class Program:
    """A running program, the leader of a process group of its own. `log`: all that it wrote."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """Of the leader."""
        return self.process.pid

    def last_words(self) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    async def listens(self, port: int, host: str = "127.0.0.1") -> None:
        """Wait until a connection to this port is accepted. Fails where the program ends first."""
        async with asyncio.timeout(STARTING):
            while not await accepts(port, host):
                assert self.process.returncode is None, f"{self.name} ended: {self.last_words()}"
                await asyncio.sleep(0.02)  # a port tells nothing when it opens

    async def stop(self) -> int:
        """SIGTERM to the group, SIGKILL after a while; its exit code."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self.process.wait(), ENDING)
        raise AssertionError(f"{self.name} does not end")


@contextlib.asynccontextmanager
async def running(
    name: str, *argv: str | Path, folder: Path, port: int | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Start `argv` in `folder`, its output in `<name>.log` there; yields once `port` (where given) accepts.

    Stopped at the end, with every process of its group.
    """
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, argv),
            cwd=folder,
            env={**os.environ, **(environ or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    started = Program(name, process, log)
    try:
        if port is not None:
            await started.listens(port)
        yield started
    finally:
        await started.stop()


async def output_of(*argv: str | Path, folder: Path, timeout: float = 60.0) -> str:
    """What a program that ends by itself writes on stdout. Fails with all that it wrote where its code is not 0."""
    process = await asyncio.create_subprocess_exec(
        *map(str, argv),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode == 0, f"{argv[0]} ended with {process.returncode}: {err.decode()}\n{out.decode()}"
    return out.decode()


def free_port() -> int:
    """A port of loopback on which nothing listens: for programs that can't take port 0 and say which they got."""
    port = stack.free_port("127.0.0.1")
    assert port, "no port is free"
    return port


async def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
