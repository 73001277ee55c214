"""How strong the unit tests are: `make mutants ARGS=domain` makes small faults and counts those that a test notices.

Tests are collected once. One fork of the process runs all of them and notes the lines that each one executes. Then each
mutant gets a fork of its own, in which the code of its function is replaced, and runs the tests that execute its lines,
those of the nearest file first, until one fails. A mutant that takes much more time of a processor than its tests, or
hangs, counts as noticed. Functions and methods are mutated, what runs at import is not (`mutations.py`); and not what
changes nothing that could be observed: `equivalent_mutants.toml` lists those, each with the reason.

`--sample 25` takes 25 mutants of each file, the same ones each time. How far it is stands on stderr.

    python -m tools.mutants domain adapters/auth/jwks.py --sample 25 --minutes 20
"""

import argparse
import contextlib
import importlib
import inspect
import math
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from tools.mutations import Mutant, Source

ROOT = Path(__file__).resolve().parent.parent
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
SLACK_SECONDS, SLACK_FACTOR = 1.0, 4.0
"""Of a processor: what a mutant may take, beyond its tests' own time and as a multiple of it."""
HANGS_AFTER = 60.0
"""Seconds that go by, also where the machine is busy."""
TOLD_EVERY = 20.0

Lines = dict[str, set[int]]


@dataclass(frozen=True, slots=True)
class Run:
    """One test as it ran: for how many seconds of a processor, and the lines that it executed, by file."""

    seconds: float
    lines: Lines


@dataclass
class Tally:
    """The outcome of a file's mutants. `unreached`: no test executes their lines."""

    noticed: int = 0
    late: int = 0
    survivors: list[Mutant] = field(default_factory=list)
    unreached: list[Mutant] = field(default_factory=list)
    left: int = 0

    @property
    def tried(self) -> int:
        """How many ran, or had no test to run."""
        return self.noticed + self.late + len(self.survivors) + len(self.unreached)

    @property
    def score(self) -> float:
        """Per cent."""
        return 100.0 * (self.noticed + self.late) / self.tried if self.tried else 100.0


class Mutation:
    """The pytest plugin that does all of it in place of running the tests."""

    def __init__(self, paths: Sequence[Path], options: argparse.Namespace) -> None:
        self.sources = [Source(path) for path in paths]
        self.tallies: dict[Path, Tally] = {path: Tally() for path in paths}
        self.baseline_failures: list[str] = []
        self._equivalent = equivalent_mutants()
        self._told = 0.0
        self._options = options
        self._failed = False
        self._folder = ""

    def pytest_sessionstart(self) -> None:
        """No time for smaller examples of what fails: that it fails is enough."""
        from hypothesis import Phase, settings  # not before pytest: it wants to rewrite its plugins' asserts

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings(phases=phases, database=None))
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self._failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run everything once, then every mutant."""
        with tempfile.TemporaryDirectory() as self._folder:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = self._folder
            self._run_mutants(session.items, self._run_all(session.items))
        return True

    def _run_all(self, items: Sequence[pytest.Item]) -> list[Run]:
        files = {str(source.path) for source in self.sources}
        pid, path = self._fork(lambda: self._traced(items, files))
        os.waitpid(pid, 0)
        with path.open("rb") as file:
            runs, self.baseline_failures = pickle.load(file)  # noqa: S301 - written by our own fork
        return list(runs)

    def _traced(self, items: Sequence[pytest.Item], files: set[str]) -> object:
        runs, failures = [], []
        for at, item in enumerate(items):
            lines: Lines = defaultdict(set)
            before = time.process_time()
            sys.settrace(_tracer(files, lines))
            try:
                failed = self._run_one(item, items[at + 1] if at + 1 < len(items) else None)
            finally:
                sys.settrace(None)
            runs.append(Run(time.process_time() - before, {} if failed else dict(lines)))
            if failed:
                failures.append(item.nodeid)
        return runs, failures

    def _run_one(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        """Whether it failed."""
        self._failed = False
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return self._failed

    def _run_mutants(self, items: Sequence[pytest.Item], runs: Sequence[Run]) -> None:
        end = time.monotonic() + 60 * self._options.minutes
        waiting = [(source, mutant) for source in self.sources for mutant in self._chosen(source)]
        running: dict[int, tuple[float, Source, Mutant]] = {}
        while waiting or running:
            self._tell(len(waiting))
            while waiting and len(running) < self._options.jobs:
                source, mutant = waiting.pop(0)
                tally = self.tallies[source.path]
                chosen = _tests_of(source, mutant, items, runs)
                if time.monotonic() > end:
                    tally.left += 1
                elif not chosen:
                    tally.unreached.append(mutant)
                else:
                    limit = SLACK_SECONDS + SLACK_FACTOR * sum(runs[at].seconds for at in chosen)
                    pid, _ = self._fork(lambda: self._notices(source, mutant, [items[at] for at in chosen], limit))  # noqa: B023 - the fork runs at once
                    running[pid] = (time.monotonic() + HANGS_AFTER + 10 * limit, source, mutant)
            self._collect(running)

    def _collect(self, running: dict[int, tuple[float, Source, Mutant]]) -> None:
        for pid, (limit, source, mutant) in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            tally = self.tallies[source.path]
            if not ended and time.monotonic() > limit:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                tally.late += 1
            elif ended and status == 0:
                tally.survivors.append(mutant)
            elif ended and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
                tally.late += 1
            elif ended:
                tally.noticed += 1
            else:
                continue
            del running[pid]
        time.sleep(0.005)

    def _chosen(self, source: Source) -> list[Mutant]:
        shown = str(source.path.relative_to(ROOT / "src/talaria"))
        mutants = [one for one in source.mutants() if str(one) not in self._equivalent.get(shown, ())]
        if self._options.sample and len(mutants) > self._options.sample:
            picked = random.Random(0).sample(range(len(mutants)), self._options.sample)  # noqa: S311 - no secret
            mutants = [mutants[at] for at in sorted(picked)]
        return mutants

    def _tell(self, left: int) -> None:
        if time.monotonic() > self._told + TOLD_EVERY:
            self._told = time.monotonic()
            tallies = self.tallies.values()
            tried, survive = sum(one.tried for one in tallies), sum(len(one.survivors) for one in tallies)
            print(f"{tried} mutants tried, {survive} survive, {left} are left", file=sys.stderr, flush=True)

    def _notices(self, source: Source, mutant: Mutant, items: Sequence[pytest.Item], seconds: float) -> object:
        """Ends the fork: 1 where a test fails, 0 where all of them pass, SIGXCPU after `seconds` of a processor."""
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), resource.RLIM_INFINITY))
        replace_code(source, mutant)
        for at, item in enumerate(items):
            if self._run_one(item, items[at + 1] if at + 1 < len(items) else None):
                os._exit(1)
        os._exit(0)

    def _fork(self, work: Callable[[], object]) -> tuple[int, Path]:
        """A fork of this process that prints nothing, and where it leaves what `work` returns."""
        path = Path(self._folder) / "returned"
        pid = os.fork()
        if pid:
            return pid, path
        code = 1
        with contextlib.suppress(BaseException):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            path.write_bytes(pickle.dumps(work()))
            code = 0
        os._exit(code)


def _tracer(files: set[str], lines: Lines) -> Callable[[FrameType, str, Any], Any]:
    def local(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            lines[frame.f_code.co_filename].add(frame.f_lineno)
        return local

    def called(frame: FrameType, event: str, argument: Any) -> Any:
        return local if frame.f_code.co_filename in files else None

    return called


def _tests_of(source: Source, mutant: Mutant, items: Sequence[pytest.Item], runs: Sequence[Run]) -> list[int]:
    """The tests that execute a line of the mutant, those of the nearest file first, then the quick ones."""
    wanted, stem = set(mutant.lines), source.path.stem
    reached = [at for at, run in enumerate(runs) if not wanted.isdisjoint(run.lines.get(str(source.path), ()))]

    def near(at: int) -> tuple[bool, bool, float]:
        path = items[at].path
        return not path.stem.startswith(f"test_{stem}"), path.parent.name != source.path.parent.name, runs[at].seconds

    return sorted(reached, key=near)


def replace_code(source: Source, mutant: Mutant) -> None:
    """From now on, in this process, the function is its mutant. Raises LookupError where it is not to be found."""
    module = importlib.import_module(_module_of(source.path))
    function = _function_in(module, mutant.function)
    mutant.apply()
    mutated = compile(source.tree, str(source.path), "exec")
    function.__code__ = _code_in(mutated, mutant.function.split("."))


def _module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")


def _function_in(module: object, name: str) -> FunctionType:
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    found = getattr(found, "fget", None) or getattr(found, "__func__", None) or getattr(found, "func", None) or found
    found = inspect.unwrap(found)
    if not isinstance(found, FunctionType):
        raise LookupError(name)
    return found


def _code_in(code: CodeType, parts: Sequence[str]) -> CodeType:
    for part in parts:
        code = next(one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == part)
    return code


def equivalent_mutants() -> dict[str, set[str]]:
    """By file below src/talaria what is not tried, as it is told."""
    listed: dict[str, list[tuple[str, str]]] = tomllib.loads(EQUIVALENT.read_text())
    return {path: {mutant for mutant, _ in reasoned} for path, reasoned in listed.items()}


def files_of(names: Sequence[str]) -> Iterator[Path]:
    """The files that are meant: `domain`, `adapters/auth`, `domain/headers.py`."""
    for name in names:
        path = ROOT / "src/talaria" / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def report(tallies: dict[Path, Tally]) -> Iterator[str]:
    """The survivors, then the table."""
    for path, tally in tallies.items():
        shown = path.relative_to(ROOT / "src/talaria")
        for mutant in sorted((*tally.survivors, *tally.unreached), key=lambda one: one.lines.start):
            kind = "survives" if mutant in tally.survivors else "no test"
            yield f"{shown}:{mutant.lines.start}: {kind}: {mutant}"
    yield f"\n{'file':40} {'mutants':>8} {'noticed':>8} {'late':>5} {'left':>5} {'score':>7}"
    total = Tally()
    for path, tally in tallies.items():
        if tally.tried or tally.left:
            yield _row(str(path.relative_to(ROOT / "src/talaria")), tally)
        total = Tally(
            total.noticed + tally.noticed,
            total.late + tally.late,
            total.survivors + tally.survivors,
            total.unreached + tally.unreached,
            total.left + tally.left,
        )
    yield _row("all", total)


def _row(name: str, tally: Tally) -> str:
    return f"{name:40} {tally.tried:8} {tally.noticed:8} {tally.late:5} {tally.left:5} {tally.score:6.1f}%"


def main(arguments: Sequence[str]) -> int:
    """Prints the table; 1 where the score of a file is less than `--least`."""
    parser = argparse.ArgumentParser("mutants", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("names", nargs="+", help="below src/talaria: domain, adapters/auth, domain/headers.py")
    parser.add_argument("--tests", nargs="+", default=["tests/unit"])
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each file; 0: all")
    parser.add_argument("--minutes", type=float, default=30.0, help="mutants that are left then are not tried")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--least", type=float, default=0.0, help="the score, in per cent, to be reached")
    options = parser.parse_args(arguments)
    plugin = Mutation(list(files_of(options.names)), options)
    os.nice(5)
    os.environ.setdefault("HYPOTHESIS_PROFILE", "ci")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was found until then is told
    outcome = pytest.main(["-q", "-s", "-p", "no:cacheprovider", *options.tests], plugins=[plugin])
    if outcome in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        return int(outcome)
    for failure in plugin.baseline_failures:
        print(f"fails without a mutant, and has no say: {failure}")
    for line in report(plugin.tallies):
        print(line)
    score = min((tally.score for tally in plugin.tallies.values()), default=100.0)
    return int(score < options.least)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
