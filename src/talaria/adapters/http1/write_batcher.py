"""Writes that go out together.

A write to a socket wakes whoever waits at its other end, and that costs more than the write. What is written within one
turn of the event loop is handed to the sockets in one go at its end, so a peer that serves many connections is woken
once. Nothing waits longer than the callbacks that are ready now.
"""

import asyncio
from collections.abc import Callable


class Outbox:
    """Keeps writes until the end of the turn, in their order. Belongs to one event loop."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[bytes], None], bytes]] = []

    def write(self, loop: asyncio.AbstractEventLoop, write: Callable[[bytes], None], data: bytes) -> None:
        """Call `write` soon. Whoever writes to the same place otherwise in the same turn comes first."""
        if not self._waiting:
            loop.call_soon(self.flush)
        self._waiting.append((write, data))

    def flush(self) -> None:
        """Write now what waits. What can't be written any more is nobody else's trouble."""
        waiting, self._waiting = self._waiting, []
        for write, data in waiting:
            try:
                write(data)
            except (RuntimeError, OSError):
                continue
