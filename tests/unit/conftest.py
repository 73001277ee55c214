"""For every unit test: it opens no socket of the network, and time passes only while everything waits."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Generator, Mapping
from typing import Any

import pytest

from tests.unit.support_time import JumpingLoop

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_EVENTS = ("socket.bind", "socket.connect", "socket.sendto")
_watching = [False]

_AUTHORITIES = "SSL_CERT_FILE"
_authorities = os.environ.get(_AUTHORITIES)
"""Where the system's list is, which takes 20 ms to read: no unit test meets one of them."""


def _no_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook, which can't be taken away again; so it looks whether a unit test runs."""
    if event in _EVENTS and _watching[0] and arguments[0].family in _FAMILIES:
        pytest.fail(
            f"A unit test opens no socket, and this one does ({event} {arguments[1]}). Use a version in memory "
            "(talaria.testing), or move the test to tests/integration."
        )


sys.addaudithook(_no_network)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop by its name."""
    return {"jumping": JumpingLoop}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Watch from the first fixture of a test."""
    _watching[0] = True
    os.environ[_AUTHORITIES] = os.devnull


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Up to the end of its last one."""
    try:
        return (yield)
    finally:
        _watching[0] = False
        os.environ.pop(_AUTHORITIES)
        if _authorities is not None:
            os.environ[_AUTHORITIES] = _authorities
