"""Writes that go out together.

A write to a socket wakes whoever waits at its other end, and that costs more than the write. What is written within one
turn of the event loop is handed to the sockets in one go at its end, so a peer that serves many connections is woken
once. Nothing waits longer than the callbacks that are ready now.
"""

import asyncio


class Outbox:
    """Keeps writes until the end of the turn, in their order. Belongs to one event loop."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.WriteTransport, bytes]] = []

    def write(self, loop: asyncio.AbstractEventLoop, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write `data` soon. Whoever writes to the same transport otherwise in the same turn comes first."""
        if not self._waiting:
            loop.call_soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write now what waits; what is closing by now gets nothing."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)
