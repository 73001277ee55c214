"""Lines to a descriptor, without ever waiting for its reader.

Rules of the writer:

1. A line is written while the descriptor takes it, else it waits in a bounded buffer. `poll` is asked first, for the
   descriptor may be a blocking one.
2. A write is at most PIPE_BUF bytes, of whole lines where they fit: several processes share one pipe, and the kernel
   does not interleave such pieces.
3. A line that does not fit into the buffer is lost and counted. Once half of the buffer is free a line says how many
   were lost.
4. A write that fails loses nothing: the error passes to the caller, and the lines stay.
"""

import errno
import os
import select
import stat
from collections.abc import Callable
from contextlib import suppress

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What a write fails with where a disk is full."""


def make_nonblocking(descriptor: int) -> None:
    """Reopen a pipe or a terminal with O_NONBLOCK: a new file description, so that other holders keep theirs blocking.

    `poll` alone is not enough: another process may fill the pipe between it and the write, and a terminal that was
    stopped with Ctrl-S says that it is ready. Where there is no /proc, or the terminal is another user's, nothing
    changes.
    """
    with suppress(OSError):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) or os.isatty(descriptor):
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            os.dup2(own, descriptor)
            os.close(own)


class LineWriter:
    """Writes lines to `descriptor`; at most `limit` bytes wait.

    `lost_line` makes the line that says how many were lost. `lost`: how many lines were.
    """

    def __init__(
        self,
        descriptor: int,
        limit: int,
        lost_line: Callable[[int], bytes],
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.lost = 0
        self._descriptor = descriptor
        self._limit = limit
        self._lost_line = lost_line
        self._write = write
        self._waiting = bytearray()
        self._lost_unsaid = 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    @property
    def size(self) -> int:
        """The bytes that wait."""
        return len(self._waiting)

    def add(self, lines: bytes) -> None:
        """Take one line or several, their newlines included; they are written by the next `flush`."""
        room = self._limit - len(self._waiting)
        if len(lines) > room:
            fitting = lines[:room].rfind(b"\n") + 1
            lost = lines.count(b"\n", fitting)
            self.lost += lost
            self._lost_unsaid += lost
            lines = lines[:fitting]
        self._waiting += lines

    def flush(self) -> int:
        """Write what is taken at once; how many bytes that was. Raises OSError."""
        if self._lost_unsaid and self.size < self._limit // 2:
            lost, self._lost_unsaid = self._lost_unsaid, 0
            self.add(self._lost_line(lost))
        before = self.size
        while self._waiting and self._poll.poll(0) and self._write_piece():
            pass
        return before - self.size

    def wait(self, milliseconds: float) -> None:
        """Block until the descriptor takes something, for so long at most."""
        self._poll.poll(milliseconds)

    def clear(self) -> None:
        """What waits is lost."""
        self.lost += self._waiting.count(b"\n")
        self._waiting.clear()
        self._lost_unsaid = 0

    def _write_piece(self) -> int:
        """As many lines as go into one piece, or the beginning of a longer one; how many bytes of them were taken."""
        piece = bytes(self._waiting[: select.PIPE_BUF])
        written = 0
        with suppress(BlockingIOError):
            written = self._write(self._descriptor, piece[: piece.rfind(b"\n") + 1] or piece)
            del self._waiting[:written]
        return written
