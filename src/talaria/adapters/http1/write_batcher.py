"""Writes that go out together.

A write to a socket wakes the process at its other end, and that costs more than the write. What is written within one
turn of the event loop is handed to the sockets in one go at its end, so a peer that serves many connections is woken
once. Nothing waits longer than the callbacks that are ready now.
"""

import asyncio
from collections.abc import Callable


class WriteBatcher:
    """Keeps writes until the end of the turn, in their order. Belongs to one event loop."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: list[tuple[Callable[[bytes], None], bytes]] = []

    def write(self, loop: asyncio.AbstractEventLoop, write: Callable[[bytes], None], data: bytes) -> None:
        """Call `write` soon. A write that does not come this way, in the same turn, comes first."""
        if not self._pending:
            loop.call_soon(self.flush)
        self._pending.append((write, data))

    def flush(self) -> None:
        """Write now what is pending. A write that fails does not stop the others."""
        pending, self._pending = self._pending, []
        for write, data in pending:
            try:
                write(data)
            except (RuntimeError, OSError):
                continue
