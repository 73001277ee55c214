"""For every test: a hang ends."""

import faulthandler

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Set the watchdog again, which pytest calls off where a test fails.

    A failed test is the one that may leave a server behind, and uvloop then waits for that when the loop is closed: in
    C and with the lock of the interpreter held, so that neither a signal nor a thread (pytest-timeout's two) ends it.
    """
    if isinstance(node, pytest.Item):
        seconds = float(node.config.getini("faulthandler_timeout"))
        faulthandler.dump_traceback_later(seconds, file=node.config.stash[fault_handler_stderr_fd_key], exit=True)
