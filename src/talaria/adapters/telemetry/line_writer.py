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
from collections import deque
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

    `lost_line` makes the line that says how many were lost. `size`: the bytes that wait; `lost`: how many lines were.
    """

    def __init__(
        self,
        descriptor: int,
        limit: int,
        lost_line: Callable[[int], bytes],
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.size = 0
        self.lost = 0
        self._descriptor = descriptor
        self._limit = limit
        self._lost_line = lost_line
        self._write = write
        self._lines: deque[bytes] = deque()
        self._lost_unsaid = 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def add(self, line: bytes) -> None:
        """Take a line, its newline included; it is written by the next `flush`."""
        if self.size + len(line) > self._limit:
            self.lost += 1
            self._lost_unsaid += 1
        else:
            self._lines.append(line)
            self.size += len(line)

    def flush(self) -> int:
        """Write what is taken at once; how many bytes that was. Raises OSError."""
        if self._lost_unsaid and self.size < self._limit // 2:
            lost, self._lost_unsaid = self._lost_unsaid, 0
            self.add(self._lost_line(lost))
        before = self.size
        while self._lines and self._poll.poll(0) and self._write_piece():
            pass
        return before - self.size

    def wait(self, milliseconds: float) -> None:
        """Block until the descriptor takes something, for so long at most."""
        self._poll.poll(milliseconds)

    def clear(self) -> None:
        """What waits is lost."""
        self.lost += len(self._lines)
        self._lines.clear()
        self.size = self._lost_unsaid = 0

    def _write_piece(self) -> int:
        """As many lines as go into one piece, one at least; how many bytes of them were taken."""
        lines, size = self._lines, 0
        piece: list[bytes] = []
        while lines and (not piece or size + len(lines[0]) <= select.PIPE_BUF):
            size += len(lines[0])
            piece.append(lines.popleft())
        joined = b"".join(piece)
        written = 0
        try:
            with suppress(BlockingIOError):
                written = self._write(self._descriptor, joined[: select.PIPE_BUF])
        finally:
            self.size -= written
            if written < size:
                lines.appendleft(joined[written:])
        return written
