"""One run of wrk against one URL, and what it says."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.procs import as_child

SCRIPT = Path(__file__).parent / "templates" / "load.lua"


Option = str | int | Path


class LoadFailed(Exception):
    """wrk did not run, or its requests were not answered with success."""


@dataclass(frozen=True, slots=True)
class Load:
    """Answered requests in `seconds`; p50 and p99 in milliseconds; `refused` counts answers of 400 and above."""

    requests: int
    seconds: float
    bytes: int
    p50: float
    p99: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def run(
    url: str,
    seconds: float,
    connections: int = 32,
    options: Mapping[str, Option] | None = None,
    *,
    allow_broken: bool = False,
) -> Load:
    """Loads `url` for so many seconds. `options` are those of load.lua. Raises LoadFailed.

    With `allow_broken` answers of another status and broken connections are counted, not raised.
    """
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    argv += ["-s", str(SCRIPT), url, "--", *(f"{name}={value}" for name, value in (options or {}).items())]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        start_new_session=True,
        preexec_fn=as_child,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("BENCH ")]
    if not lines:
        raise LoadFailed(f"wrk: {(done.stderr or done.stdout).strip()[-300:]}")
    said = json.loads(lines[0].removeprefix("BENCH "))
    load = Load(**{**said, "p50": said["p50"] / 1000, "p99": said["p99"] / 1000})
    if not allow_broken and (load.refused or load.broken or not load.requests):
        raise LoadFailed(f"{load.requests} answers, {load.refused} refused, {load.broken} broken connections")
    return load
