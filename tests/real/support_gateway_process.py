"""`talaria serve` as it runs in production, a process of its own, among the sandbox's simulated services."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.faults.support_processes import Served, serving


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """A running gateway and the services round it. `url`: the public listener; `ops`: the operators'."""

    url: str
    ops: str
    served: Served
    sandbox: Sandbox

    @property
    def port(self) -> int:
        """Of the public listener."""
        return int(self.url.rpartition(":")[2])

    @property
    def ops_port(self) -> int:
        """Of the operators' listener."""
        return int(self.ops.rpartition(":")[2])

    def header_lines(self, **headers: str) -> list[str]:
        """`name: value` of what a client's request must have, and of `headers`, their underscores as dashes."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return [f"{name}: {value}" for name, value in {**self.sandbox.headers(), **more}.items()]


@asynccontextmanager
async def gateway_process(
    folder: Path, changes: Mapping[str, Any] | None = None, **server: str
) -> AsyncIterator[GatewayProcess]:
    """A gateway that is ready. `changes` are laid over the sandbox's talaria.toml; `server` over its `[server]`.

    `folder` gets the configuration (`sandbox/talaria.toml`) and all that the gateway writes (`gateway.log`).
    """
    async with (
        running_sandbox(gateway=False, folder=folder / "sandbox", config=changes) as sandbox,
        serving(sandbox, folder / "gateway.log", **server) as served,
    ):
        yield GatewayProcess(sandbox.public_url, served.ops_url, served, sandbox)
