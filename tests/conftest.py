"""For every test: the terminal is the same everywhere, hypothesis tries as many examples as its profile says, what is
printed is searched, and what was measured again is told.
"""

import gc
import logging
import os
from collections.abc import Generator

import pytest

from tests import support_examples, support_paths  # noqa: F401 - examples: sets the profile before any test is read
from tests.support_late import REPETITIONS
from tests.support_printed import PRINTED, Records, Watch, search_what_tests_take
from tests.support_workers import Gathering

for name in ("FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(name, None)  # rich_click looks at some of them once, when it is imported

gc.disable()  # up to the end of the collection, which leaves no garbage to speak of


def pytest_addoption(parser: pytest.Parser) -> None:
    """One of our own."""
    support_paths.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Search from now on."""
    support_paths.choose(config)
    config.pluginmanager.register(Watch(PRINTED), "printed")
    config.pluginmanager.register(Gathering(PRINTED, REPETITIONS), "gathering")
    search_what_tests_take()
    logging.getLogger().addHandler(Records(PRINTED))
    logging.getLogger("talaria").setLevel(logging.INFO)  # as the program says it


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector what stays to the end anyhow, all modules and tests, and let it come less often."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """The terminal is so wide that no sentence is broken. No fixture: there are thousands of tests."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "500"
    try:
        return (yield)
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was late at first."""
    if REPETITIONS:
        terminalreporter.section("measured again")
        for line in REPETITIONS:
            terminalreporter.line(line)
