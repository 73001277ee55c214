"""docs/first-answer.md: every block is run, in the order of the text, and the answer is the one that stands there."""

import asyncio
import os
import re
import signal
import sys
import tomllib
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from talaria.entrypoints.config import Address
from talaria.entrypoints.public.server.sockets import is_port_served
from talaria.sandbox.stack import free_port
from tests.support_printed import note_printed
from tests.support_waiting import until

PAGE = Path(__file__).parents[2] / "docs" / "first-answer.md"
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
PORTS = ("8080", "9090", "9001", "9002", "9003")


def on_free_ports(text: str) -> str:
    """The page with other ports, so that it can be followed on any machine."""
    free: dict[str, str] = {}
    while len(free) < len(PORTS):
        free = dict(zip(PORTS, {str(free_port("127.0.0.1")) for _ in PORTS}, strict=False))
    return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda port: free[port[0]], text + "\n127.0.0.1:9090 127.0.0.1:8080")


def with_lines(text: str, lines: str) -> str:
    """A configuration in which each of these lines stands in the place of the one with its key, or with `jwks_url`."""
    for table, keys in re.findall(r"^\[(.+)\]\n((?:.+\n)+)", lines, re.MULTILINE):
        for line in keys.splitlines():
            key = line.partition(" ")[0].replace("jwks_file", "jwks_url")
            text, count = re.subn(rf"(\[{re.escape(table)}\]\n(?:[^\[].*\n)*?){key} = .*", rf"\1{line}", text)
            assert count == 1, line
    return text


@asynccontextmanager
async def running(folder: Path, *program: str, **environ: str) -> AsyncIterator[Process]:
    """A program and what it starts, until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *program, cwd=folder, env={**os.environ, **environ}, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
        await process.communicate()


async def test_the_page_can_be_followed(tmp_path: Path) -> None:
    text = on_free_ports(PAGE.read_text("utf-8"))
    *_, ops, public = text.split()
    service_ports = [int(port) for port in re.findall(r"http://127.0.0.1:(\d+)\"", text)]
    blocks = BLOCK.findall(text)
    assert [language for language, _ in blocks] == ["python", "sh", "toml", "sh", "sh", "", "sh"]
    services, made, lines, served, asked, shown, explained = (block for _, block in blocks)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "TALARIA__SERVER__LISTEN": public, "TALARIA__SERVER__OPS_LISTEN": ops}

    async def told(script: str, folder: Path) -> str:
        async with running(folder, "sh", "-ec", script, **environ) as shell:
            printed, _ = await asyncio.wait_for(shell.communicate(), 60)
        note_printed(printed.decode())
        assert shell.returncode == 0, printed.decode()
        return printed.decode()

    (tmp_path / "services.py").write_text(services)
    async with running(tmp_path, sys.executable, "services.py"):
        await until(lambda: all(is_port_served(Address("127.0.0.1", port)) for port in service_ports))
        await told(made, tmp_path)
        config = tmp_path / "mine/talaria.toml"
        config.write_text(with_lines(config.read_text(), lines))
        assert tomllib.loads(config.read_text())["callers"]["app"] == {
            "issuer": "https://id.app.example",
            "jwks_file": "keys/callers/app.jwks.json",
        }
        async with running(tmp_path / "mine", "sh", "-ec", served, **environ) as gateway:
            assert gateway.stdout is not None
            said = await asyncio.wait_for(gateway.stdout.readuntil(b'"event":"serving"'), 60)
            note_printed(said.decode())
            assert "All is well." in said.decode()
            answer = (await told(asked, tmp_path / "mine")).splitlines()
            assert (answer[0], answer[-1]) == (shown.splitlines()[0], shown.splitlines()[-1])
            await told(explained, tmp_path / "mine")
