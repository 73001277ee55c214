"""The datagrams of sd_notify(3)."""

import asyncio
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
    manager = ServiceManager({"NOTIFY_SOCKET": manager_socket.getsockname(), "WATCHDOG_USEC": "1000000"})
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
        manager.ready()
    assert received(manager_socket) == {"READY": "1"}


def test_signs_of_life_are_sent_once_in_an_interval(manager_socket: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": manager_socket.getsockname(), "WATCHDOG_USEC": "7200000000"})
    manager.alive()
    manager.alive()
    assert received(manager_socket) == {"WATCHDOG": "1"}
    with pytest.raises(BlockingIOError):
        received(manager_socket)


async def test_an_event_loop_that_runs_says_so_until_it_is_cancelled(manager_socket: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": manager_socket.getsockname(), "WATCHDOG_USEC": "2000"})
    alive = asyncio.create_task(manager.keep_alive())
    for _ in range(2):
        await asyncio.get_running_loop().sock_recv(manager_socket, 4096)
    alive.cancel()


async def test_without_a_watchdog_no_sign_of_life_is_sent() -> None:
    await ServiceManager({}).keep_alive()


@pytest.mark.parametrize(
    ("watchdog", "interval"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_told_in_half_of_its_time(watchdog: dict[str, str], interval: float | None) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/run/notify", **watchdog}).watchdog_interval == interval


def test_a_watchdog_may_name_this_process() -> None:
    environ = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}
    assert ServiceManager(environ).watchdog_interval == 10.0


def test_without_a_manager_there_is_no_watchdog() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "20000000"}).watchdog_interval is None
