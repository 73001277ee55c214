"""Clients that keep their connections, and know exactly when a request of theirs was lost."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Tally:
    """What a crowd of clients saw. `refused`: the bodies of what came with 400 or more.

    `lost`: sent on a connection that then broke, or that could not be made.
    """

    statuses: list[int] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    slowest: float = 0.0


class KeptClient:
    """One client, one connection at a time: made anew where the server has ended it between two requests.

    As every client does: a connection that the server closed while nothing was under way is no failure.
    """

    def __init__(self, url: str, headers: Mapping[str, str], path: str = "/v1/scooters/nearby") -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        lines = [
            f"GET {path} HTTP/1.1",
            f"host: {parts.netloc}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._request = "\r\n".join([*lines, "", ""]).encode()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, tally: Tally) -> None:
        """One request; what came of it goes to the tally."""
        began = asyncio.get_running_loop().time()
        try:
            status, body = await self._exchange()
            tally.statuses.append(status)
            if status >= 400:
                tally.refused.append(body)
        except (OSError, asyncio.IncompleteReadError) as error:
            tally.lost.append(repr(error))
            self.close()
        tally.slowest = max(tally.slowest, asyncio.get_running_loop().time() - began)

    async def keep_asking(self, tally: Tally, pause: float, over: asyncio.Event) -> None:
        """Ask, pause, and so on until it is over."""
        while not over.is_set():
            await self.ask(tally)
            await asyncio.sleep(pause)  # the rate of the load
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(self) -> tuple[int, bytes]:
        if self._reader is None or self._reader.at_eof() or self._reader.exception() is not None:
            self.close()
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        assert self._writer is not None
        self._writer.write(self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await self._reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1]), body
