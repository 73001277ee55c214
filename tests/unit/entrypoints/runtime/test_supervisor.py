"""Whom the supervisor starts, tells and replaces, signal by signal; nothing is forked here."""

import os
import signal
import socket
from collections.abc import Callable
from signal import SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGTERM
from typing import Any

import pytest
from pytest_mock import MockerFixture

from talaria.entrypoints.runtime import supervisor as workers
from talaria.entrypoints.runtime.supervisor import Supervisor

FIRST, SECOND, OPS, THIRD = 11, 12, 13, 14
Step = tuple[int, list[int]]
"""A signal that comes, and the processes that have ended by then."""


class Machine:
    """The parts of a machine that a supervisor has to do with. `told`: which signal went to whom."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.told: list[tuple[int, int]] = []
        self.gone: list[int] = []
        self.status = 0
        self.steps: list[Step] = []
        time = mocker.patch("talaria.entrypoints.runtime.supervisor.time")
        self.slept, self.clock = time.sleep, time.monotonic
        self.clock.return_value = 0.0
        self.exit = mocker.patch.object(os, "_exit", side_effect=SystemExit)
        self.fork = mocker.patch.object(os, "fork", side_effect=[FIRST, SECOND, OPS, THIRD])
        self._ended: set[int] = set()
        self.listeners: list[Any] = [mocker.Mock(spec=socket.socket) for _ in range(3)]
        mocker.patch.object(os, "kill", side_effect=lambda pid, number: self.told.append((pid, number)))
        mocker.patch.object(os, "waitpid", side_effect=self._waitpid)
        self.mask = mocker.patch.object(signal, "pthread_sigmask")
        mocker.patch.object(signal, "sigwait", side_effect=self._sigwait)

    def _sigwait(self, _: object) -> int:
        number, ended = self.steps.pop(0)
        self._ended |= set(ended)
        return number

    def _waitpid(self, pid: int, options: int) -> tuple[int, int]:
        return (pid, self.status) if pid in self._ended else (0, 0)

    def run(self, *steps: Step) -> int:
        """The exit code of a supervisor of two workers to whom this happens."""
        self.steps = list(steps)

        def work(number: int, listener: socket.socket) -> None:
            raise AssertionError("only a child works")

        return Supervisor(self.listeners[:2], work, self.listeners[2], work, self.gone.append).run()


@pytest.fixture
def machine(mocker: MockerFixture) -> Machine:
    return Machine(mocker)


END: list[Step] = [(SIGTERM, []), (SIGCHLD, [FIRST, SECOND])]


@pytest.mark.parametrize("stop", [SIGTERM, SIGINT])
def test_workers_drain_and_the_operators_go_last(machine: Machine, stop: int) -> None:
    assert machine.run((stop, []), (SIGCHLD, [SECOND]), (SIGCHLD, [FIRST])) == 0
    assert machine.told == [(FIRST, SIGTERM), (SECOND, SIGTERM), (OPS, SIGTERM)]
    assert machine.gone == [1, 0]
    assert [listener.close.call_count for listener in machine.listeners] == [1, 1, 0]


def test_a_reload_is_for_the_workers(machine: Machine) -> None:
    machine.run((SIGHUP, []), *END)
    assert machine.told[:3] == [(FIRST, SIGHUP), (SECOND, SIGHUP), (FIRST, SIGTERM)]


def test_a_second_signal_ends_everything_at_once(machine: Machine) -> None:
    assert machine.run((SIGTERM, []), (SIGCHLD, [FIRST]), (SIGINT, [])) == workers.FAILED
    assert machine.told[2:] == [(SECOND, SIGKILL), (OPS, SIGKILL)]


def test_who_dies_is_replaced(machine: Machine) -> None:
    machine.clock.side_effect = [0.0, 0.0, 0.0, 60.0, 60.0]
    machine.run((SIGCHLD, [SECOND]), (SIGTERM, []), (SIGCHLD, [FIRST, THIRD]))
    assert machine.told == [(FIRST, SIGTERM), (THIRD, SIGTERM), (OPS, SIGTERM)]
    assert machine.gone == [1, 0, 1]
    machine.slept.assert_not_called()


@pytest.mark.parametrize(("status", "how"), [(SIGKILL, "SIGKILL"), (1 << 8, "exit code 1")])
def test_it_is_said_how_it_died(machine: Machine, caplog: pytest.LogCaptureFixture, status: int, how: str) -> None:
    machine.status = status
    machine.run((SIGCHLD, [SECOND]), (SIGTERM, []), (SIGCHLD, [FIRST, THIRD]))
    assert [vars(record)["how"] for record in caplog.records if "died" in record.message] == [how]


def test_who_dies_at_once_is_replaced_with_patience(machine: Machine) -> None:
    machine.run((SIGCHLD, [SECOND]), (SIGTERM, []), (SIGCHLD, [FIRST, THIRD]))
    machine.slept.assert_called_once_with(1.0)


@pytest.mark.parametrize(("failure", "code"), [(None, 0), (ValueError("no"), workers.FAILED)])
def test_a_child_does_its_work_and_never_returns(
    machine: Machine, mocker: MockerFixture, failure: Exception | None, code: int
) -> None:
    machine.fork.side_effect = [0]
    mocker.patch.object(os, "setpgid")
    work = mocker.Mock(side_effect=failure)
    ops_work: Callable[[int, Any], None] = mocker.Mock()
    with pytest.raises(SystemExit):
        Supervisor(machine.listeners[:2], work, machine.listeners[2], ops_work, machine.gone.append).run()
    work.assert_called_once_with(0, machine.listeners[0])
    machine.exit.assert_called_once_with(code)
    assert [listener.close.call_count for listener in machine.listeners] == [0, 1, 1]
    assert machine.mask.call_args_list[-1].args == (signal.SIG_UNBLOCK, {SIGCHLD, SIGTERM, SIGINT})  # SIGHUP waits
