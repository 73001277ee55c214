"""What a peer said before it closed in the middle of our upload.

Many servers answer 413, say, and close with the body unread. The next write then fails, and the event loop closes the
socket with the answer still in it. A second handle on the socket outlives that, and the answer can be read from it.
"""

import contextlib
import os
from asyncio import Transport
from typing import Final, Self

_READ_AT_MOST: Final = 64 * 1024


class LastWords:
    """A second handle on the socket of a connection without TLS. Keep it no longer than the upload."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def of(cls, transport: Transport) -> Self | None:
        """A handle, or None where the bytes on the socket are not the peer's own words, or there is no socket."""
        sock = transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0 or transport.get_extra_info("ssl_object") is not None:
            return None
        try:
            return cls(os.dup(sock.fileno()))
        except OSError:  # no descriptor to be had: the upload goes on without
            return None

    def read(self) -> bytes:
        """What has arrived and nobody has read."""
        words = b""
        with contextlib.suppress(OSError):
            while len(words) < _READ_AT_MOST and (more := os.read(self._fd, _READ_AT_MOST)):
                words += more
        return words

    def close(self) -> None:
        """Let the socket go."""
        os.close(self._fd)
