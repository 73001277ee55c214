"""Back-pressure towards the peer: shut while the transport holds enough to write."""

import asyncio


class Gate(asyncio.BaseProtocol):
    """The half of a protocol that tells a writer when to wait. `blocked`: the transport holds enough."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.blocked = False
        self._unblocked: asyncio.Future[None] | None = None

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self.blocked = True
        self._unblocked = self.loop.create_future()

    def resume_writing(self) -> None:
        """The transport takes more."""
        self.blocked = False
        unblocked, self._unblocked = self._unblocked, None
        if unblocked is not None and not unblocked.done():
            unblocked.set_result(None)

    async def writable(self) -> None:
        """Wait until the transport takes more."""
        if self._unblocked is not None:
            await self._unblocked
