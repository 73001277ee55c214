"""The decision API of one process: its listener, and what it decides by, from one configuration to the next."""

import asyncio
import socket

from talaria.entrypoints.config import Settings
from talaria.entrypoints.public.decisions import Decisions, TrustedEdges
from talaria.entrypoints.public.problems import RejectedHeads
from talaria.entrypoints.public.server.framing import ConnectionLimits
from talaria.entrypoints.public.server.listener import Listener
from talaria.entrypoints.public.server.sockets import url_of
from talaria.entrypoints.runtime.container import Container


class DecisionServer:
    """Serves edge proxies on `listening`."""

    def __init__(self, container: Container, listening: socket.socket) -> None:
        settings, process = container.settings(), container.process
        recorder, clock = process.recorder(), process.clock()
        self.url = url_of(listening)
        self._socket = listening
        self._edges = TrustedEdges(settings.server.trusted_edges, clock)
        self._decisions = Decisions(
            container.gateway(),
            recorder,
            clock,
            process.limiter(),
            max_age=settings.decision.max_age,
            fast_path=settings.server.fast_path,
        )
        self._listener = Listener(
            self._decisions,
            RejectedHeads(recorder),
            limits_of(settings),
            settings.server.drain_timeout,
            admit=self._edges.admit,
            fast_path=self._decisions,
        )

    async def start(self) -> None:
        """Answer edges from now on."""
        await self._listener.start(self._socket)

    def reconfigure(self, container: Container) -> None:
        """Decide by this configuration from now on."""
        settings = container.settings()
        self._edges.networks = settings.server.trusted_edges
        self._decisions.decide_by(container.gateway(), settings.decision.max_age, fast_path=settings.server.fast_path)
        self._listener.set_protocol(limits_of(settings), settings.server.drain_timeout)

    def under_way(self) -> set[asyncio.Task[None]]:
        """The questions of this moment."""
        return self._listener.under_way()

    async def stop(self) -> None:
        """Drain."""
        await self._listener.stop()


def limits_of(settings: Settings) -> ConnectionLimits:
    """What a connection of a client or of an edge may take."""
    server = settings.server
    return ConnectionLimits(server.header_limit, server.header_timeout, server.keepalive_timeout)
