"""personal, wind and a sink for uploads, as small and quick as can be: `python -m bench.simulators PORT PORT PORT`.

They answer as their contracts say, to a gateway that keeps its side; they check nothing. The sink reads a body of any
length to its end and answers with its size: unlike nginx's `return`, which answers before the body is there.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import cast

import httptools
import uvloop

Answering = Callable[[bytes], bytes]


def personal(body: bytes) -> bytes:
    """person-00000042 has the phone +79900000042."""
    asked = json.loads(body)["id"]
    return json.dumps({"id": asked, "value": "+799" + asked[-8:]}).encode()


def wind(body: bytes) -> bytes:
    """+79900000042 is user-00000042."""
    return json.dumps({"user_id": "user-" + json.loads(body)["phone_number"][-8:]}).encode()


class Simulator(asyncio.Protocol):
    """One connection: whole requests in, an answer for each. Without an `answering`, a sink that only counts."""

    def __init__(self, answering: Answering | None) -> None:
        self._answering = answering
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._parts, self._size = [], 0

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._answering:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        assert self._transport is not None
        body = self._answering(b"".join(self._parts)) if self._answering else b"%d" % self._size
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )


async def serve(ports: list[int]) -> None:
    """Listens until it is ended."""
    loop = asyncio.get_running_loop()
    for port, answering in zip(ports, (personal, wind, None), strict=True):
        await loop.create_server(partial(Simulator, answering), "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
