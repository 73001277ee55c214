"""Signals as something to poll for: the supervisor waits for them and for its children's frames at once."""

import signal
import socket
from contextlib import suppress

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_HANDLED = STOP | {signal.SIGCHLD, signal.SIGHUP}


class SignalQueue:
    """The signals that have come, in their order. Poll its descriptor for reading."""

    def __init__(self) -> None:
        self._reads, self._writes = socket.socketpair()
        for end in (self._reads, self._writes):
            end.setblocking(False)

    def fileno(self) -> int:
        """Readable while a signal waits."""
        return self._reads.fileno()

    def open(self) -> None:
        """Take the signals from now on; those that were blocked until now come too."""
        signal.set_wakeup_fd(self._writes.fileno(), warn_on_full_buffer=False)
        for number in _HANDLED:
            signal.signal(number, lambda number, frame: None)
        self.unblock()

    def read(self) -> bytes:
        """The numbers of those that have come."""
        with suppress(BlockingIOError):
            return self._reads.recv(4096)
        return b""

    def block(self) -> None:
        """Let them wait, around a fork."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)

    def unblock(self) -> None:
        """Let them come again."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)

    def leave(self) -> None:
        """For a child after the fork: signals are its own. SIGHUP stays blocked until it can be heeded."""
        signal.set_wakeup_fd(-1)
        self._reads.close()
        self._writes.close()
        for number in STOP | {signal.SIGCHLD}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED - {signal.SIGHUP})
