"""Several processes on one port.

The supervisor opens one listening socket for each worker (SO_REUSEPORT spreads the connections), forks the workers and
the operators' process, and then polls: for signals, and for the frames that its children send one another
(control_hub.py). It runs no event loop and no thread, so forking again is always safe. It keeps every listening socket
open itself: when a worker dies, the connections in its accept queue wait for the worker that takes its place.

Rules:

1. A child that ends is replaced, at once, or after a second where it did not live for one. One that can't be forked is
   tried again after a second.
2. A child sends a heartbeat each second. One that is silent for HANG_SECONDS is killed and replaced.
3. SIGTERM and SIGINT are passed on to the workers, which drain; the operators' process goes last, so that readiness can
   be asked to the end. What is left a second after the longest drain is killed. A second signal kills at once.
4. SIGHUP is passed on to the workers; in a new one it stays blocked until that heeds it.
5. systemd hears that all is ready after the first heartbeat of every child, and then that the supervisor is alive.
6. As process 1 of a container it reaps the orphans that the kernel gives to it.
"""

import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from talaria.entrypoints.ops.control import SUPERVISOR, notice, read_heartbeat
from talaria.entrypoints.runtime.control_hub import ControlHub
from talaria.entrypoints.runtime.sd_notify import ServiceManager
from talaria.entrypoints.runtime.signals import STOP, SignalQueue

logger = logging.getLogger("talaria.workers")

FAILED = 1
HANG_SECONDS = 10.0
_START_SECONDS = 60.0
"""How long a child may take until its first heartbeat."""
_POLL_SECONDS = 1.0
_HASTY_SECONDS = 1.0
_RESTART_DELAY = 1.0
_EXIT_GRACE = 1.0
_OPERATORS_SECONDS = 3.0


class Closable(Protocol):
    """The listening socket of a process, or several."""

    def close(self) -> None:
        """Accept nothing more."""


Work = Callable[[int, Any, socket.socket], None]
"""What a process does: its number, what it listens on, its end of the control connection."""


@dataclass(slots=True)
class _Child:
    """One process to be kept alive. Times in monotonic seconds; `pid` 0: it does not run, and starts at `start_at`."""

    name: str
    number: int
    listener: Closable
    work: Work
    pid: int = 0
    start_at: float = 0.0
    started_at: float = 0.0
    silent_at: float = 0.0
    """When it counts as hung, unless there is a heartbeat before."""
    drain_timeout: float = 2.0
    """As its last heartbeat says; before the first, it may still wait for what its siblings know."""
    hung: bool = False


class Supervisor:
    """Keeps one process for each listening socket until it is told to stop."""

    def __init__(self, workers: Sequence[Closable], work: Work, ops: Closable, ops_work: Work) -> None:
        self._workers = [_Child("worker", number, listener, work) for number, listener in enumerate(workers)]
        self._ops = _Child("operators", len(workers), ops, ops_work)
        self._children = [*self._workers, self._ops]
        self._kill_at: float | None = None
        self._killed = False
        self._polled_at = 0.0
        self._manager = ServiceManager()
        self._starting = set(range(len(self._children)))
        self._signals = SignalQueue()
        self._hub = ControlHub(frozenset(range(len(workers))), self._on_heartbeat)

    def run(self) -> int:
        """Fork the children, keep them alive, stop them when asked to. Gives the exit code."""
        self._signals.open()
        self._hub.watch(self._signals.fileno(), lambda: None)
        self._polled_at = time.monotonic()
        self._reap()  # orphans that ended before signals were taken
        while self._kill_at is None or any(child.pid for child in self._workers):
            self._start_due()
            if not self._poll():
                return FAILED
        self._stop_operators()
        return FAILED if self._killed else 0

    def _poll(self) -> bool:
        """One round; False where a second signal ends everything."""
        self._hub.poll(self._seconds_until_due())
        self._manager.alive()
        for number in self._signals.read():
            if number in STOP and self._kill_at is not None:
                self._signal(self._children, signal.SIGKILL)
                return False
            self._handle(number)
        self._kill_hung()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_late(self._workers)
        return True

    def _seconds_until_due(self) -> float:
        due = [child.start_at for child in self._children if not child.pid and self._kill_at is None]
        soonest = min([*due, math.inf if self._kill_at is None else self._kill_at])
        return min(_POLL_SECONDS, max(0.0, soonest - time.monotonic()))

    def _handle(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._signal(self._workers, signal.SIGHUP)
            if not self._starting:
                self._manager.reloading()
                self._manager.ready()
        else:
            self._stop()

    def _stop(self) -> None:
        longest = max(child.drain_timeout for child in self._workers)
        self._kill_at = time.monotonic() + longest + _EXIT_GRACE
        for child in self._workers:
            # Else the kernel would go on giving connections to sockets that are not accepted from any more.
            child.listener.close()
        self._manager.stopping()
        self._hub.send(self._ops.number, SUPERVISOR, notice("draining"))
        logger.info("draining", extra={"workers": len(self._workers)})
        self._signal(self._workers, signal.SIGTERM)

    def _stop_operators(self) -> None:
        self._kill_at = time.monotonic() + _OPERATORS_SECONDS
        self._signal([self._ops], signal.SIGTERM)
        while self._ops.pid and time.monotonic() < self._kill_at:
            self._hub.poll(self._seconds_until_due())
            self._signals.read()
            self._reap()
        self._kill_late([self._ops])

    def _kill_late(self, children: list[_Child]) -> None:
        for child in children:
            if child.pid:
                self._killed = True
                _log(child, child.pid, "did not end in time and is killed")
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                child.pid = 0

    def _on_heartbeat(self, number: int, payload: bytes) -> None:
        child = self._children[number]
        child.drain_timeout = read_heartbeat(payload)
        child.silent_at = time.monotonic() + HANG_SECONDS
        if number in self._starting:
            self._starting.remove(number)
            if not self._starting:
                self._manager.ready()

    def _kill_hung(self) -> None:
        now = time.monotonic()
        paused = now - self._polled_at - _POLL_SECONDS  # the whole container was frozen: then nothing could beat
        self._polled_at = now
        for child in self._children:
            if paused > _POLL_SECONDS:
                child.silent_at += paused
            if child.pid and now >= child.silent_at and not child.hung and self._kill_at is None:
                child.hung = True
                _log(child, child.pid, "hangs and is killed")
                os.kill(child.pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid, status in ended_processes():
            for child in self._children:
                if child.pid == pid:
                    self._ended(child, status)

    def _ended(self, child: _Child, status: int) -> None:
        pid, child.pid = child.pid, 0
        self._hub.disconnect(child.number)
        if self._kill_at is not None:
            return
        how = "hung" if child.hung else _how_it_ended(status)
        _log(child, pid, "died and is replaced", how=how)
        self._hub.send(self._ops.number, SUPERVISOR, notice("exited", child.number, "hung" if child.hung else "died"))
        now = time.monotonic()
        # One that can't even start is not started in a tight loop.
        child.start_at = now + _RESTART_DELAY if now - child.started_at < _HASTY_SECONDS else now

    def _start_due(self) -> None:
        if self._kill_at is None:
            for child in self._children:
                if not child.pid and time.monotonic() >= child.start_at:
                    self._fork(child)

    def _fork(self, child: _Child) -> None:
        child.hung = False
        child.started_at = time.monotonic()
        child.silent_at = child.started_at + _START_SECONDS
        self._signals.block()
        try:
            control = self._hub.connect(child.number)
            with control:
                child.pid = os.fork()
                if not child.pid:
                    self._run_child(child, control)
        except OSError as error:  # for want of memory, or of processes
            self._hub.disconnect(child.number)
            child.start_at = child.started_at + _RESTART_DELAY
            logger.error("%s %d can't be forked", child.name, child.number, extra={"cause": error.strerror})
        self._signals.unblock()

    def _run_child(self, child: _Child, control: socket.socket) -> NoReturn:
        code = FAILED
        try:
            os.setpgid(0, 0)  # Ctrl-C is for the supervisor, which passes it on
            self._signals.leave()
            self._hub.close()
            for other in self._children:
                if other is not child:
                    other.listener.close()
            child.work(child.number, child.listener, control)
            code = 0
        except BaseException:
            logger.exception("%s %d failed", child.name, child.number)
        finally:
            os._exit(code)

    @staticmethod
    def _signal(children: list[_Child], number: int) -> None:
        for child in children:
            if child.pid:
                os.kill(child.pid, number)


def ended_processes() -> Iterable[tuple[int, int]]:
    """The pid and the wait status of each process below this one that has ended."""
    with suppress(ChildProcessError):  # there is none, running or ended
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def _how_it_ended(status: int) -> str:
    """By a signal, as the kernel does it where memory is short (SIGKILL), or with an exit code of its own."""
    code = os.waitstatus_to_exitcode(status)
    names = {number.value: number.name for number in signal.Signals}  # not all have one
    return f"exit code {code}" if code >= 0 else names.get(-code, f"signal {-code}")


def _log(child: _Child, pid: int, what: str, **extra: Any) -> None:
    """A line about a worker has its number in common with that worker's own lines."""
    number = {"worker": child.number} if child.name == "worker" else {}
    logger.error("%s %d (pid %d) %s", child.name, child.number, pid, what, extra=extra | number)
