"""For every test with sockets: a hang ends."""

import faulthandler
from collections.abc import Generator

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

SECONDS = 60.0


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """End the whole run where a loop can't be closed.

    A server that a failed test left behind keeps uvloop from closing its loop. It waits in C and holds the lock of the
    interpreter: neither a signal nor a thread (pytest-timeout's two) gets through, and pytest calls its own watchdog
    off where a test fails.
    """
    faulthandler.dump_traceback_later(SECONDS, file=item.config.stash[fault_handler_stderr_fd_key], exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
