"""A request without a connection: its link is in memory, and sends the client's pieces when they are asked for."""

import asyncio
from collections.abc import Sequence

from talaria.domain.errors import Refusal
from talaria.domain.http import Headers
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.framing import NO_BODY, Framing

Piece = tuple[bytes, bool] | None
GONE: Piece = None
CHUNKED = Framing(chunked=True)


def chunk(body: bytes = b"", more: bool = True) -> Piece:
    """A piece of a body."""
    return body, more


class MemoryLink:
    """Implements `cycle.Link`. `written`: what the client got; `ended`: how its connection was cut.

    Whenever reading is resumed the next of `pieces` arrives, `pause` seconds later; then the client is silent.
    """

    def __init__(self, pieces: Sequence[Piece] = (), pause: float = 0.0) -> None:
        self.loop = asyncio.get_running_loop()
        self.peer = "203.0.113.7"
        self.scheme = "https"
        self.write_paused = False
        self.written = b""
        self.batched = 0
        self.ended = ""
        self.completed: list[RequestResponseCycle] = []
        self.sent = 0
        self.cycle: RequestResponseCycle | None = None
        self._pieces = list(pieces)
        self._pause = pause
        self._writable = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.written += data

    def write_batched(self, data: bytes) -> None:
        self.batched += 1
        self.written += data

    def stuck(self) -> None:
        """The client takes nothing more."""
        self.write_paused = True
        self._writable.clear()

    def taken(self) -> None:
        """The client has taken everything."""
        self.write_paused = False
        self._writable.set()

    async def drain(self) -> None:
        await self._writable.wait()

    def pause_reading(self) -> None:
        """No piece comes unasked."""

    def resume_reading(self) -> None:
        if self.sent < len(self._pieces):
            self.loop.call_later(self._pause, self._arrive, self._pieces[self.sent])
            self.sent += 1

    def abort(self, *, reset: bool) -> None:
        self.ended = "reset" if reset else "aborted"

    def on_complete(self, cycle: RequestResponseCycle) -> None:
        self.completed.append(cycle)

    def _arrive(self, piece: Piece) -> None:
        assert self.cycle is not None
        if piece is None:
            self.cycle.disconnect()
            return
        data, more = piece
        self.cycle.feed(data)
        if not more:
            self.cycle.feed_eof()


def arrived(
    target: bytes = b"/",
    *,
    method: str = "GET",
    headers: Headers | None = None,
    framing: Framing = NO_BODY,
    pieces: Sequence[Piece] = (),
    pause: float = 0.0,
    refusal: Refusal | None = None,
    http10: bool = False,
) -> tuple[RequestResponseCycle, MemoryLink]:
    """A request as the server hands it over. Without a framing its (empty) body has ended, as behind a real head."""
    link = MemoryLink(pieces, pause)
    headers = [(b"host", b"a"), (b"x-api-tag", b"wind")] if headers is None else headers
    cycle = RequestResponseCycle(link, method, target, headers, framing, http10=http10)
    cycle.refusal = refusal
    link.cycle = cycle
    if not (framing.chunked or framing.length):
        cycle.feed_eof()
    return cycle, link
