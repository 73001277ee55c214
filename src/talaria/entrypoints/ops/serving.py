"""The operators' listener: their application on a socket, and the samples that its page needs."""

import asyncio
import socket

from talaria.entrypoints.ops.admin import GatewayAdmin
from talaria.entrypoints.ops.app import create_ops_app
from talaria.entrypoints.ops.listener import AsgiListener
from talaria.entrypoints.ops.page.pages import Pages


class OperatorsListener:
    """Serves what `admin` answers, on one socket until `stop`."""

    def __init__(self, admin: GatewayAdmin) -> None:
        self._pages = Pages(admin)
        self._listener = AsgiListener(create_ops_app(admin, self._pages))
        self._sampling: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket) -> None:
        """Answer requests from now on."""
        self._sampling = asyncio.create_task(self._pages.keep_sampling())
        await self._listener.start(listening)

    async def stop(self) -> None:
        """End the live pages, let what is in flight end, then close everything."""
        self._pages.close()
        if self._sampling is not None:
            self._sampling.cancel()
        await self._listener.stop()
