"""What every measurement stands on: a folder, the origin, the simulators, the callers' tokens."""

import grp
import os
import pwd
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench import caller_tokens
from bench.procs import Program, free_ports, start

TEMPLATES = Path(__file__).parent / "templates"
ROOT = Path(__file__).parent.parent
ANSWER = "{" + '"scooters":"' + "x" * (735 - 14) + '"}'
SIZES = [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
LARGE = {"100m": 100 << 20, "1g": 1 << 30}


class Missing(Exception):
    """Something that is not installed; the text says what."""


@dataclass(slots=True)
class Testbed:
    """Ports of loopback by name, and the programs behind them."""

    folder: Path
    origin_port: int
    personal_port: int
    wind_port: int
    sink_port: int
    callers: caller_tokens.Callers
    quick: bool = False
    until: float = float("inf")
    programs: list[Program] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """The origin's URL, without a path."""
        return f"http://127.0.0.1:{self.origin_port}"

    @property
    def sink(self) -> str:
        """The URL of the server that counts uploads."""
        return f"http://127.0.0.1:{self.sink_port}"

    def rounds(self) -> int:
        """How often each point of a curve is measured."""
        return 1 if self.quick else 3

    def seconds(self) -> float:
        """How long a point of a curve is loaded each time."""
        return 1 if self.quick else 2

    def late(self) -> bool:
        """Whether the time of the whole run is up."""
        return time.monotonic() > self.until

    def large(self, name: str) -> str:
        """The path of a large file at the origin, made (sparse) when it is first asked for."""
        path = self.folder / "www" / "size" / name
        if not path.exists():
            with open(path, "wb") as file:
                file.truncate(LARGE[name])
        return f"/size/{name}"


def which(*names: str) -> str:
    """The program of the first name that is found, on the path or in /usr/sbin. Raises Missing."""
    for name in names:
        found = shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin") or shutil.which(name)
        if found:
            return found
    raise Missing(f"{names[0]} is not installed")


def fill(template: str, target: Path, **values: object) -> Path:
    """Writes a template with its @NAME@s replaced."""
    text = (TEMPLATES / template).read_text()
    owner = {"USER": pwd.getpwuid(os.getuid()).pw_name, "GROUP": grp.getgrgid(os.getgid()).gr_name}
    for name, value in {**owner, **values}.items():
        text = text.replace(f"@{name}@", str(value))
    target.write_text(text)
    return target


def new_folder() -> Path:
    """A temporary folder, in memory where there is a place for that, so that no disk is measured."""
    memory = Path("/dev/shm")  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="talaria-bench-", dir=memory if memory.is_dir() else None))


def create(folder: Path, *, quick: bool, minutes: float) -> Testbed:
    """Starts the origin and the simulators in `folder`. Raises Missing or DidNotStart."""
    which("wrk")
    origin_port, personal_port, wind_port, sink_port = free_ports(4)
    until = time.monotonic() + minutes * 60
    callers = caller_tokens.new_callers(folder)
    testbed = Testbed(folder, origin_port, personal_port, wind_port, sink_port, callers, quick, until)
    _files(folder / "www" / "size")
    conf = fill("origin.nginx.conf", folder / "origin.conf", FOLDER=folder, PORT=testbed.origin_port, ANSWER=ANSWER)
    origin = start("origin", [which("nginx"), "-e", "stderr", "-c", str(conf), "-p", str(folder)], folder)
    ports = [str(port) for port in (testbed.personal_port, testbed.wind_port, testbed.sink_port)]
    simulators = start(
        "simulators", [sys.executable, "-m", "bench.simulators", *ports], folder, {"PYTHONPATH": str(ROOT)}
    )
    testbed.programs += [origin, simulators]
    origin.wait_until(testbed.origin + "/")
    simulators.wait_until(testbed.sink + "/")
    return testbed


def _files(folder: Path) -> None:
    folder.mkdir(parents=True)
    for size in [0, *SIZES]:
        (folder / str(size)).write_bytes(b"x" * size)
