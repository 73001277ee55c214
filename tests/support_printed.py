"""Everything that was printed while the tests ran, searched for what must never be printed.

Three things are searched: what a test and the code that it called wrote to stdout and stderr, the log records as the
program itself would print them (pytest's own form quotes exceptions whole, ours does not), and the files that gateways
wrote, which are called `log`, `….log` or `….jsonl`, below the folder of a test. What a test takes for itself (the
output of a command that it invokes, what it reads from capsys) is searched as it is taken. What a command wrote into
a test's own pipe is noted by that test.
"""

import functools
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from talaria.entrypoints.runtime.logging import JsonLines

FORBIDDEN = {
    "a phone number": re.compile(r"\+[1-9]\d{6,14}\b"),
    "an e-mail address": re.compile(r"\b[\w.+-]+@people\.example\b"),
    "a personal_phone_id": re.compile(r"\bppid-[\w-]+"),
    "a token": re.compile(r"\beyJ[\w-]{8,}"),
    "a private key": re.compile(r"PRIVATE KEY|-----BEGIN"),
    "a secret of the tests": re.compile(r"\bcanary-[\w-]+"),
}
MADE_UP = "ppid-(anna|boris|chloe|blocked|no-account|unsupported)"
ON_PURPOSE = re.compile(
    r"^curl -sS -H 'x-api-tag: wind' -H 'authorization: Bearer eyJ[\w.-]+' '[^']+'$"
    rf"|^A request of {MADE_UP}, "
    r"|^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$"
    rf"|^(known persons: | {{15}})({MADE_UP}(, |,?$))+$"
    rf"|^  talaria token --config \S+ {MADE_UP}$",
    re.MULTILINE,
)
"""What `talaria sandbox` shows to be pasted: one line with a token, and the names of the persons that it made up. And
what `talaria token` is there to print: a line that is a token and nothing else.
"""

SOURCES = ("output", "log", "file")
AROUND = 60


class Printed:
    """What was seen so far: `characters` of each source, and what was `found` that should not be there."""

    def __init__(self) -> None:
        self.characters: Counter[str] = Counter()
        self.found: list[str] = []

    def note(self, text: str, source: str, by: str) -> None:
        """Search a text that `by` printed."""
        self.characters[source] += len(text)
        text = ON_PURPOSE.sub("", text)
        for what, pattern in FORBIDDEN.items():
            for match in pattern.finditer(text):
                around = text[max(0, match.start() - AROUND) : match.end() + AROUND]
                self.found.append(f"{by} printed {what} ({source}): {around!r}")

    def unseen(self) -> list[str]:
        """The sources of which nothing was seen: a search of nothing finds nothing."""
        return [source for source in SOURCES if not self.characters[source]]


PRINTED = Printed()


def note_printed(text: str) -> None:
    """Search what a command wrote into a pipe of the test that runs."""
    PRINTED.note(text, "output", os.environ.get("PYTEST_CURRENT_TEST", "a test"))


def search_what_tests_take() -> None:
    """Search also what never comes to pytest: the results of these calls."""
    _search(CliRunner, "invoke", lambda result: [result.output])
    _search(pytest.CaptureFixture, "readouterr", lambda result: map(str, result))


def _search(owner: type, name: str, texts: Callable[[Any], Iterable[str]]) -> None:
    call = getattr(owner, name)

    @functools.wraps(call)
    def searched(*arguments: Any, **more: Any) -> Any:
        result = call(*arguments, **more)
        for text in texts(result):
            note_printed(text)
        return result

    setattr(owner, name, searched)


class Records(logging.Handler):
    """Searches log records, in the form in which the program prints them."""

    def __init__(self, printed: Printed) -> None:
        super().__init__()
        self._printed = printed
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """Search one."""
        self._printed.note(self.format(record), "log", os.environ.get("PYTEST_CURRENT_TEST", "a test"))


class Watch:
    """The plugin: searches while tests run, and fails the session in the end."""

    def __init__(self, printed: Printed) -> None:
        self.printed = printed

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Search the files of a test when all that wrote to them has ended."""
        try:
            return (yield)
        finally:
            folder = getattr(item, "funcargs", {}).get("tmp_path")
            for path in logs_in(folder) if folder else []:
                self.printed.note(path.read_text(errors="replace"), "file", f"{item.nodeid}, {path.name},")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Search what a test wrote; its last report has it all. One with a `node` was searched by that worker."""
        if report.when == "teardown" and not hasattr(report, "node"):
            for name, text in report.sections:
                if name.startswith(("Captured stdout", "Captured stderr")):
                    self.printed.note(text, "output", report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where something was found, or where all tests ran and nothing was seen."""
        if self.verdict(session.config) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Say so."""
        if verdict := self.verdict(config):
            terminalreporter.section("PRINTED, AND MUST NOT BE", red=True)
            for line in verdict:
                terminalreporter.line(line)

    def verdict(self, config: pytest.Config) -> list[str]:
        """What is wrong, in lines."""
        if not all_ran(config):
            return self.printed.found
        return self.printed.found + [f"nothing of this was seen: {source}" for source in self.printed.unseen()]


def logs_in(folder: Path) -> list[Path]:
    """The files that gateways wrote."""
    return [path for path in folder.rglob("*") if path.name.endswith((".log", ".jsonl")) or path.name == "log"]


def all_ran(config: pytest.Config) -> bool:
    """Was the whole suite asked for?"""
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (
        config.option.keyword or config.option.markexpr or config.option.collectonly or config.option.maxfail
    )
