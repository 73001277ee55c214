"""Several processes on one port.

The supervisor opens one listening socket for each worker (SO_REUSEPORT spreads the connections), forks the workers
and the operators' process, and then only waits for signals: it runs no event loop and no thread, so forking again is
always safe. It keeps every socket open itself: when a worker dies, the connections that wait for it wait for the
worker that takes its place.

SIGTERM and SIGINT are passed on to the workers, which drain; the operators' process goes last, so that readiness can be
asked to the end. A second signal ends everything at once. SIGHUP is passed on too; in a worker it waits, blocked, until
that has read its configuration and heeds the signal.
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("talaria.workers")

FAILED = 1
_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_WAITED_FOR = _STOP | {signal.SIGCHLD, signal.SIGHUP}
_HASTY_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0

Work = Callable[[int, socket.socket], None]
"""What a process does: its number and its listening socket."""


@dataclass(slots=True)
class _Post:
    """One process to be kept alive: what it does, on which socket, and who does it now."""

    name: str
    number: int
    listener: socket.socket
    work: Work
    pid: int = 0
    since: float = 0.0


class Supervisor:
    """Keeps one process at each post until it is told to stop. `gone` hears the number of each process that ended."""

    def __init__(
        self, workers: list[socket.socket], work: Work, ops: socket.socket, ops_work: Work, gone: Callable[[int], None]
    ) -> None:
        self._workers = [_Post("worker", number, listener, work) for number, listener in enumerate(workers)]
        self._ops = _Post("operators", len(workers), ops, ops_work)
        self._gone = gone
        self._stopping = False

    def run(self) -> int:
        """Fork everybody, keep them alive, stop them when asked to. Gives the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
        for post in [*self._workers, self._ops]:
            self._fork(post)
        while any(post.pid for post in self._workers):
            number = signal.sigwait(_WAITED_FOR)
            if self._stopping and number in _STOP:
                self._tell([*self._workers, self._ops], signal.SIGKILL)
                return FAILED
            self._handle(number)
        self._stop_operators()
        return 0

    def _handle(self, number: int) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._tell(self._workers, signal.SIGHUP)
        else:
            self._stopping = True
            for post in self._workers:
                # Else the kernel would go on giving connections to sockets that nobody accepts from any more.
                post.listener.close()
            logger.info("draining", extra={"workers": len(self._workers)})
            self._tell(self._workers, signal.SIGTERM)

    def _reap(self) -> None:
        for post in [*self._workers, self._ops]:
            if post.pid:
                ended, status = os.waitpid(post.pid, os.WNOHANG)
                if ended:
                    self._ended(post, status)

    def _ended(self, post: _Post, status: int) -> None:
        pid, post.pid = post.pid, 0
        self._gone(post.number)
        if self._stopping:
            return
        how = {"how": _how_it_ended(status)}
        logger.error("%s %d (pid %d) died and is replaced", post.name, post.number, pid, extra=how)
        if time.monotonic() - post.since < _HASTY_SECONDS:
            time.sleep(_PATIENCE_SECONDS)  # it can't even start: not in a tight loop
        self._fork(post)

    def _fork(self, post: _Post) -> None:
        post.since = time.monotonic()
        pid = os.fork()
        if pid:
            post.pid = pid
            return
        code = FAILED
        try:
            os.setpgid(0, 0)  # Ctrl-C is for the supervisor, which passes it on
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITED_FOR - {signal.SIGHUP})
            self._close_other_sockets(post)
            post.work(post.number, post.listener)
            code = 0
        except BaseException:
            logger.exception("%s %d failed", post.name, post.number)
        finally:
            os._exit(code)

    def _close_other_sockets(self, own: _Post) -> None:
        for post in [*self._workers, self._ops]:
            if post is not own:
                post.listener.close()

    def _stop_operators(self) -> None:
        if self._ops.pid:
            self._tell([self._ops], signal.SIGTERM)
            os.waitpid(self._ops.pid, 0)

    @staticmethod
    def _tell(posts: list[_Post], number: int) -> None:
        for post in posts:
            if post.pid:
                os.kill(post.pid, number)


def _how_it_ended(status: int) -> str:
    """By a signal, as the kernel does it where memory is short (SIGKILL), or with an exit code of its own."""
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
