"""Processes that are started for a measurement, what they cost, and their certain end.

Each is the leader of a session of its own, so that its tree is every process of that session, also one that has lost
its parent. The kernel sends it SIGTERM should this program die; at exit, and on a signal, every session still there is
terminated and then killed.
"""

import atexit
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import precedence

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1

_running: dict[int, "Program"] = {}


class DidNotStart(Exception):
    """A program ended, or answered nothing, while it was starting. The text ends with the last lines it wrote."""


@dataclass(slots=True)
class Program:
    """A running program and its tree."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def pids(self) -> list[int]:
        """Every process of the tree that is there now."""
        return [pid for pid, _, _ in _session(self.process.pid)]

    def cpu(self) -> float:
        """Seconds of CPU that the tree has used, in user and kernel mode.

        What a child used goes to its parent's sum when the parent waits for it, so a child that ended is not lost.
        """
        return sum(seconds for _, seconds, _ in _session(self.process.pid))

    def resident(self) -> int:
        """Bytes of resident memory of the tree."""
        return sum(pages for _, _, pages in _session(self.process.pid)) * _PAGE

    def last_words(self) -> str:
        """The end of what it wrote on stderr."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])

    def stop(self) -> None:
        """Ends the tree: politely, then within three seconds by force."""
        _end([self])

    def wait_until(self, url: str, seconds: float = 20.0, headers: dict[str, str] | None = None) -> None:
        """Returns once `url` answers 200. Raises DidNotStart."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            if _answers(url, headers or {}):
                return
            time.sleep(0.05)
        words = self.last_words()
        self.stop()
        raise DidNotStart(f"{self.name} did not start: {words}")


def start(
    name: str, argv: list[str], folder: Path, env: dict[str, str] | None = None, stdout: Path | None = None
) -> Program:
    """Starts `argv` in `folder`; stderr goes to `<name>.log` there, stdout to `stdout` or nowhere."""
    log = folder / f"{name}.log"
    out = open(stdout, "wb") if stdout else subprocess.DEVNULL  # noqa: SIM115 - the child's
    with open(log, "wb") as err:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=as_child,
        )
    if not isinstance(out, int):
        out.close()
    program = Program(name, process, log)
    _running[process.pid] = program
    return program


def free_ports(count: int) -> list[int]:
    """Free ports of loopback."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def stop_all() -> None:
    """Ends everything that was started."""
    _end(list(_running.values()))


def end_on_signals() -> None:
    """Lets SIGTERM and SIGHUP end this program as Ctrl-C does, so that nothing is left running."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    atexit.register(stop_all)


def as_child() -> None:
    """What a child does before it becomes its program: it dies with this one, and has precedence over others."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    precedence.take()


def _session(leader: int) -> Iterator[tuple[int, float, int]]:
    """(pid, seconds of CPU with waited-for children, resident pages) of each process of the session."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        if int(fields[3]) == leader:
            yield int(entry), sum(map(int, fields[11:15])) / _TICK, int(fields[21])


def _answers(url: str, headers: dict[str, str]) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _end(programs: list[Program]) -> None:
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
        for program in programs:
            for pid in program.pids():
                _send(pid, number)
        until = time.monotonic() + patience
        while any(_alive(program) for program in programs) and time.monotonic() < until:
            time.sleep(0.02)
    for program in programs:
        _running.pop(program.process.pid, None)


def _alive(program: Program) -> bool:
    program.process.poll()
    return bool(program.pids())


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
