"""Where the gateway's time goes: py-spy looks at it under load, from outside, a few hundred times a second."""

import subprocess
import threading
from collections import Counter
from pathlib import Path

from bench import load
from bench.compare import Progress
from bench.curves import Rows
from bench.gateway import running
from bench.load import LoadFailed
from bench.peers import VENV
from bench.table import Table
from bench.testbed import Missing, Testbed

FUNCTIONS = 40


def profile(testbed: Testbed, progress: Progress) -> tuple[Table, Rows]:
    """The functions that most time is spent in: themselves, and with what they call."""
    seconds = 4 if testbed.quick else 15
    spy = VENV / "py-spy"
    if not spy.exists():
        raise Missing("py-spy is not in .venv-bench")
    target = testbed.folder / "profile.txt"
    with running(testbed) as gateway:
        progress("watching the gateway")
        options = {"tokens": gateway.peer.tokens or ""}
        loading = threading.Thread(target=load.run, args=(gateway.peer.url + "/", seconds + 2, 32, options))
        loading.start()
        _watch([str(spy), "record", "--pid", str(gateway.program.process.pid)], seconds, target)
        loading.join()
    return _counted(target.read_text().splitlines())


def _watch(argv: list[str], seconds: int, target: Path) -> None:
    argv += ["--duration", str(seconds), "--rate", "400", "--nonblocking", "--format", "raw", "--output", str(target)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if not target.exists():
        raise LoadFailed(f"py-spy: {done.stderr.strip()[-300:]}")


def _counted(stacks: list[str]) -> tuple[Table, Rows]:
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in stacks:
        frames, _, times = line.rpartition(" ")
        names = [_short(frame) for frame in frames.split(";")]
        own[names[-1]] += int(times)
        whole.update(dict.fromkeys(names, int(times)))
    everything = sum(own.values())
    table = Table("Where the gateway's time goes", ["function", "% itself", "% with what it calls"])
    for name, count in own.most_common(FUNCTIONS):
        table.add(name, 100 * count / everything, 100 * whole[name] / everything)
    table.notes.append("Functions of compiled libraries, and what the kernel does for them, count to their caller.")
    return table, [{"function": name, "own": count, "whole": whole[name]} for name, count in own.most_common()]


def _short(frame: str) -> str:
    """`function (folder/file.py:12)` without its line and without the folders up to the package."""
    name, _, place = frame.partition(" (")
    path = place.rstrip(")").rsplit(":", 1)[0]
    for mark in ("site-packages/", "src/", "lib/python"):
        path = path.rpartition(mark)[2]
    return f"{name} ({path})" if path else name
