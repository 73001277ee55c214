"""The datagrams of sd_notify(3)."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from talaria.entrypoints.runtime.sd_notify import ServiceManager


@pytest.fixture
def manager_socket(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.setblocking(False)
        bound.bind(str(tmp_path / "notify"))
        yield bound


def received(bound: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in bound.recv(4096).decode().splitlines())


def test_each_state_is_one_datagram(manager_socket: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": manager_socket.getsockname()})
    for tell, assignment in (
        (manager.ready, {"READY": "1"}),
        (manager.stopping, {"STOPPING": "1"}),
        (manager.alive, {"WATCHDOG": "1"}),
    ):
        tell()
        assert received(manager_socket) == assignment


def test_a_reload_says_when_it_began(manager_socket: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    ServiceManager({"NOTIFY_SOCKET": manager_socket.getsockname()}).reloading()
    told = received(manager_socket)
    assert told["RELOADING"] == "1"
    assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000


def test_an_at_sign_is_the_abstract_namespace() -> None:
    name = f"talaria-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.setblocking(False)
        bound.bind(f"\0{name}")
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert received(bound) == {"READY": "1"}


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nonexistent/notify"}])
def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    manager = ServiceManager(environ)
    manager.ready()
    manager.reloading()
    manager.stopping()
    manager.alive()


def test_a_manager_that_does_not_read_stops_nothing(manager_socket: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": manager_socket.getsockname()})
    for _ in range(2000):  # more than the socket holds
        manager.alive()
    assert received(manager_socket) == {"WATCHDOG": "1"}


@pytest.mark.parametrize(
    ("watchdog", "interval"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_told_in_half_of_its_time(watchdog: dict[str, str], interval: float | None) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/run/notify", **watchdog}).watchdog_interval == interval


def test_without_a_manager_there_is_no_watchdog() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "20000000"}).watchdog_interval is None
