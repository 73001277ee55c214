"""Which children the supervisor starts, signals, kills and replaces, step by step; nothing is forked here."""

import os
import socket
from collections.abc import Callable
from errno import EAGAIN
from signal import SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGTERM
from typing import Any

import pytest
from pytest_mock import MockerFixture

from talaria.entrypoints.ops.control import SUPERVISOR, heartbeat, notice
from talaria.entrypoints.runtime import supervisor
from talaria.entrypoints.runtime.supervisor import HANG_SECONDS, Supervisor

FIRST, SECOND, OPS, THIRD, FOURTH = 11, 12, 13, 14, 15
MODULE = "talaria.entrypoints.runtime.supervisor"


class Machine:
    """What a supervisor has to do with. It lives through `steps`, one for each time that it polls."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.now = 100.0
        self.signalled: list[tuple[int, int]] = []
        self.status = 0
        self.steps: list[Callable[[], None]] = []
        self._ended: list[int] = []
        self._signals = b""
        mocker.patch(f"{MODULE}.time.monotonic", side_effect=lambda: self.now)
        self.exit = mocker.patch.object(os, "_exit", side_effect=SystemExit)
        self.fork = mocker.patch.object(os, "fork", side_effect=[FIRST, SECOND, OPS, THIRD, FOURTH])
        self.listeners: list[Any] = [mocker.Mock(spec=socket.socket) for _ in range(3)]
        mocker.patch.object(os, "kill", side_effect=self._kill)
        mocker.patch.object(os, "waitpid", side_effect=self._waitpid)
        self.signals = mocker.patch(f"{MODULE}.SignalQueue").return_value
        self.signals.read.side_effect = self._read
        self.hub = mocker.patch(f"{MODULE}.ControlHub").return_value
        self.hub.poll.side_effect = self._poll

    def _kill(self, pid: int, number: int) -> None:
        self.signalled.append((pid, number))

    def _waitpid(self, pid: int, options: int) -> tuple[int, int]:
        if options:
            return (self._ended.pop(0), self.status) if self._ended else (0, 0)
        return pid, SIGKILL

    def _read(self) -> bytes:
        come, self._signals = self._signals, b""
        return come

    def _poll(self, timeout: float) -> None:
        assert 0 <= timeout <= 1.0
        self.steps.pop(0)()

    def comes(self, *numbers: int, ended: tuple[int, ...] = (), after: float = 0.0) -> Callable[[], None]:
        """A step: so many seconds later these signals come, and these processes have ended."""

        def step() -> None:
            self.now += after
            self._signals += bytes(numbers)
            self._ended += ended

        return step

    def beats(self, *numbers: int, drain_timeout: float = 5.0, after: float = 0.0) -> Callable[[], None]:
        """A step: so many seconds later these children send a heartbeat."""

        def step() -> None:
            self.now += after
            for number in numbers:
                self.supervisor._on_heartbeat(number, heartbeat(drain_timeout))

        return step

    def run(self, *steps: Callable[[], None]) -> int:
        """The exit code of a supervisor of two workers that lives through this."""
        self.steps = list(steps)

        def work(number: int, listener: socket.socket, control: socket.socket) -> None:
            raise AssertionError("only a child works")

        self.supervisor = Supervisor(self.listeners[:2], work, self.listeners[2], work)
        return self.supervisor.run()

    def told(self) -> list[bytes]:
        """What the operators' process was told."""
        assert {call.args[:2] for call in self.hub.send.call_args_list} == {(2, SUPERVISOR)}
        return [call.args[2] for call in self.hub.send.call_args_list]

    def end(self, *pids: int) -> list[Callable[[], None]]:
        """The steps of an end in good order."""
        return [self.comes(SIGTERM), self.comes(SIGCHLD, ended=pids), self.comes(SIGCHLD, ended=(OPS,))]


@pytest.fixture
def machine(mocker: MockerFixture) -> Machine:
    return Machine(mocker)


@pytest.mark.parametrize("stop", [SIGTERM, SIGINT])
def test_workers_drain_and_the_operators_go_last(machine: Machine, stop: int) -> None:
    steps = [
        machine.comes(stop),
        machine.comes(SIGCHLD, ended=(SECOND,)),
        machine.comes(SIGCHLD, ended=(FIRST,)),
        machine.comes(SIGCHLD, ended=(OPS,)),
    ]
    assert machine.run(*steps) == 0
    assert machine.signalled == [(FIRST, SIGTERM), (SECOND, SIGTERM), (OPS, SIGTERM)]
    assert machine.told() == [notice("draining")]
    assert [listener.close.call_count for listener in machine.listeners] == [1, 1, 0]


def test_a_reload_is_for_the_workers(machine: Machine) -> None:
    machine.run(machine.comes(SIGHUP), *machine.end(FIRST, SECOND))
    assert machine.signalled[:3] == [(FIRST, SIGHUP), (SECOND, SIGHUP), (FIRST, SIGTERM)]


def test_a_second_signal_ends_everything_at_once(machine: Machine) -> None:
    steps = [machine.comes(SIGTERM), machine.comes(SIGCHLD, ended=(FIRST,)), machine.comes(SIGINT)]
    assert machine.run(*steps) == supervisor.FAILED
    assert machine.signalled[2:] == [(SECOND, SIGKILL), (OPS, SIGKILL)]


def test_a_child_that_dies_is_replaced_at_once(machine: Machine) -> None:
    machine.run(machine.comes(SIGCHLD, ended=(SECOND,), after=60), *machine.end(FIRST, THIRD))
    assert machine.signalled == [(FIRST, SIGTERM), (THIRD, SIGTERM), (OPS, SIGTERM)]
    assert [call.args for call in machine.hub.connect.call_args_list] == [(0,), (1,), (2,), (1,)]
    assert machine.told() == [notice("exited", 1, "died"), notice("draining")]


@pytest.mark.parametrize(("status", "how"), [(SIGKILL, "SIGKILL"), (40, "signal 40"), (1 << 8, "exit code 1")])
def test_it_is_said_how_it_died(machine: Machine, caplog: pytest.LogCaptureFixture, status: int, how: str) -> None:
    machine.status = status
    machine.run(machine.comes(SIGCHLD, ended=(SECOND,), after=60), *machine.end(FIRST, THIRD))
    assert [vars(record)["how"] for record in caplog.records if "died" in record.message] == [how]


def test_a_child_that_dies_at_once_is_replaced_a_second_later(machine: Machine) -> None:
    def not_yet() -> None:
        assert machine.fork.call_count == 3
        machine.now += 1.0

    def now_it_is() -> None:
        assert machine.fork.call_count == 4

    machine.run(machine.comes(SIGCHLD, ended=(SECOND,)), not_yet, now_it_is, *machine.end(FIRST, THIRD))


def test_a_child_that_cannot_be_forked_is_tried_again_a_second_later(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.fork.side_effect = [FIRST, BlockingIOError(EAGAIN, "Resource temporarily unavailable"), OPS, SECOND]
    assert machine.run(machine.comes(after=0.9), machine.comes(after=0.1), *machine.end(FIRST, SECOND)) == 0
    assert [vars(record)["cause"] for record in caplog.records if "worker 1 can't be forked" in record.message] == [
        "Resource temporarily unavailable"
    ]
    assert machine.hub.disconnect.call_args_list[0].args == (1,)
    assert machine.signals.block.call_count == machine.signals.unblock.call_count == 4


@pytest.mark.parametrize(("before", "told"), [((), []), ((0, 1), []), ((0, 1, 2), ["ready", "reloading", "ready"])])
def test_a_reload_does_not_make_what_starts_ready(
    machine: Machine, mocker: MockerFixture, before: tuple[int, ...], told: list[str]
) -> None:
    manager = mocker.patch(f"{MODULE}.ServiceManager").return_value
    machine.run(machine.beats(*before), machine.comes(SIGHUP), *machine.end(FIRST, SECOND))
    assert [call[0] for call in manager.method_calls if call[0] in ("ready", "reloading")] == told


def test_a_child_that_hangs_is_killed_and_replaced(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    beats = [machine.beats(0, 2, after=1.0) for _ in range(int(HANG_SECONDS))]
    machine.run(
        machine.beats(0, 1, 2),
        *beats,
        machine.comes(SIGCHLD, ended=(SECOND,)),
        *machine.end(FIRST, THIRD),
    )
    assert machine.signalled[0] == (SECOND, SIGKILL)
    assert [pid for pid, number in machine.signalled if number == SIGKILL] == [SECOND]
    assert machine.told() == [notice("exited", 1, "hung"), notice("draining")]
    assert f"worker 1 (pid {SECOND}) hangs and is killed" in caplog.text


def test_a_child_may_take_longer_to_start(machine: Machine) -> None:
    beats = [machine.beats(0, 2, after=1.0) for _ in range(30)]
    machine.run(*beats, machine.beats(1), *machine.end(FIRST, SECOND))
    assert not [pid for pid, number in machine.signalled if number == SIGKILL]


def test_a_pause_of_the_whole_machine_is_no_hang(machine: Machine) -> None:
    machine.run(machine.beats(0, 1, 2), machine.comes(after=3600), machine.beats(0, 1, 2), *machine.end(FIRST, SECOND))
    assert not [pid for pid, number in machine.signalled if number == SIGKILL]


def test_what_does_not_drain_in_time_is_killed(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    steps = [
        machine.beats(0, 1, drain_timeout=2.0),
        machine.comes(SIGTERM),
        machine.comes(SIGCHLD, ended=(FIRST,), after=2.9),
        machine.comes(after=0.1),
        machine.comes(SIGCHLD, ended=(OPS,)),
    ]
    assert machine.run(*steps) == supervisor.FAILED
    assert machine.signalled[2:] == [(SECOND, SIGKILL), (OPS, SIGTERM)]
    assert f"worker 1 (pid {SECOND}) did not end in time and is killed" in caplog.text


def test_operators_that_do_not_end_are_killed(machine: Machine) -> None:
    steps = [machine.comes(SIGTERM), machine.comes(SIGCHLD, ended=(FIRST, SECOND)), machine.comes(after=3.0)]
    assert machine.run(*steps) == supervisor.FAILED
    assert machine.signalled[-1] == (OPS, SIGKILL)


def test_orphans_are_reaped(machine: Machine) -> None:
    assert machine.run(machine.comes(SIGCHLD, ended=(4711,)), *machine.end(FIRST, SECOND)) == 0
    assert machine.fork.call_count == 3


@pytest.mark.parametrize(("failure", "code"), [(None, 0), (ValueError("no"), supervisor.FAILED)])
def test_a_child_does_its_work_and_never_returns(
    machine: Machine, mocker: MockerFixture, failure: Exception | None, code: int
) -> None:
    machine.fork.side_effect = [0]
    mocker.patch.object(os, "setpgid")
    work = mocker.Mock(side_effect=failure)
    ops_work: Callable[[int, Any, Any], None] = mocker.Mock()
    with pytest.raises(SystemExit):
        Supervisor(machine.listeners[:2], work, machine.listeners[2], ops_work).run()
    work.assert_called_once_with(0, machine.listeners[0], machine.hub.connect.return_value)
    machine.exit.assert_called_once_with(code)
    assert [listener.close.call_count for listener in machine.listeners] == [0, 1, 1]
    machine.signals.leave.assert_called_once_with()
    machine.hub.close.assert_called_once_with()
