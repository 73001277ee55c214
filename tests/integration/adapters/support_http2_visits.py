"""A back end that a contract's handler drives, request by request, over streams of HTTP/2."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from talaria.domain.http import Headers
from talaria.testing.contracts.upstream_harness import Handler
from tests.integration.http1.support_peers import RawUpstream, upstream
from tests.integration.http1.support_tls import server_context
from tests.integration.support_raw_backend import Disconnected

_CONFIG = h2.config.H2Configuration(
    client_side=False, header_encoding=None, normalize_outbound_headers=False, validate_outbound_headers=False
)

_NONSENSE = b"\x00\x00\x04\x03\x00\x00\x00\x00\x00what"  # resets the stream of number 0, which there never is


class Http2Visit:
    """One stream. `:authority` is its host."""

    def __init__(self, connection: "_Connection", stream: int, headers: Headers) -> None:
        named = dict(headers)
        self.method, self.target = named[b":method"].decode(), named[b":path"]
        plain = [header for header in headers if not header[0].startswith(b":")]
        self.headers: Headers = [(b"host", named[b":authority"]), *plain]
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.gone = asyncio.Event()
        self._connection, self._stream = connection, stream
        self._read = self._begun = self._over = False

    async def read(self) -> bytes:
        if self._read:
            return b""
        piece = await self.pieces.get()
        self._read = not piece
        return piece

    async def read_all(self) -> bytes:
        body = b""
        while piece := await self.read():
            body += piece
        return body

    async def interim(self, status: int) -> None:
        self._send_head([(b":status", b"%d" % status), (b"link", b"</a>")], end=False)

    async def head(self, status: int, headers: Headers | None = None, length: int | None = None) -> None:
        lines = [(b":status", b"%d" % status), *((name.lower(), value) for name, value in headers or [])]
        if length is not None:
            lines.append((b"content-length", b"%d" % length))
        self._begun, self._over = True, self.method == "HEAD" or status in (204, 304)
        self._send_head(lines, end=self._over)

    async def write(self, chunk: bytes) -> None:
        state = self._connection.state
        while chunk:
            room = min(state.local_flow_control_window(self._stream), state.max_outbound_frame_size)
            if room:
                state.send_data(self._stream, chunk[:room])
                self._connection.flush()
                chunk = chunk[room:]
            else:
                await self._connection.heard()

    async def end(self, how: Literal["well", "reset", "nonsense"] = "well") -> None:
        if how == "nonsense":
            self._connection.writer.write(_NONSENSE)
            raise Disconnected
        if how == "reset":
            self._connection.state.reset_stream(self._stream)
        elif self._begun and not self._over:
            self._connection.state.end_stream(self._stream)
        self._over = True
        self._connection.flush()
        if how == "reset":
            raise Disconnected

    async def wait_disconnected(self) -> None:
        await self.gone.wait()
        raise Disconnected

    def _send_head(self, lines: Headers, *, end: bool) -> None:
        self._connection.state.send_headers(self._stream, lines, end_stream=end)
        self._connection.flush()


class _Connection:
    """One connection and the visits on it."""

    def __init__(self, harness: "Http2BackEnd", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.state = h2.connection.H2Connection(_CONFIG)
        self.writer = writer
        self._world, self._reader = harness, reader
        self._visits: dict[int, Http2Visit] = {}
        self._heard = asyncio.Event()

    def flush(self) -> None:
        """What is to be said is written."""
        self.writer.write(self.state.data_to_send())

    async def heard(self) -> None:
        """Wait until the client says something."""
        self._heard.clear()
        await self._heard.wait()

    async def run(self) -> None:
        """To its end."""
        self.state.initiate_connection()
        self.flush()
        async with asyncio.TaskGroup() as group:
            with suppress(ConnectionError):
                while data := await self._reader.read(65_536):
                    for event in self.state.receive_data(data):
                        self._take(event, group)
                    self.flush()
                    self._heard.set()
            for incoming in self._visits.values():
                incoming.gone.set()

    def _take(self, event: h2.events.Event, group: asyncio.TaskGroup) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(stream), headers=list(headers)):
                incoming = self._visits[stream] = Http2Visit(self, stream, [(bytes(n), bytes(v)) for n, v in headers])
                group.create_task(self._serve(incoming))
            case h2.events.DataReceived(stream_id=int(stream), data=data, flow_controlled_length=int(size)):
                if data:
                    self._visits[stream].pieces.put_nowait(data)
                self.state.acknowledge_received_data(size, stream)
            case h2.events.StreamEnded(stream_id=int(stream)):
                self._visits[stream].pieces.put_nowait(b"")
            case h2.events.StreamReset(stream_id=int(stream)):
                self._visits[stream].gone.set()
                self._visits[stream].pieces.put_nowait(b"")

    async def _serve(self, incoming: Http2Visit) -> None:
        try:
            await self._world.handler(incoming)
            await incoming.end()
        except (Disconnected, ConnectionError, h2.exceptions.StreamClosedError):
            pass
        except Exception as error:
            self._world.errors.append(error)


class Http2BackEnd:
    """Listens on loopback, with TLS, and lets `handler` serve what comes."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.errors: list[Exception] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        """One connection."""
        await _Connection(self, reader, writer).run()


@asynccontextmanager
async def http2_back_end(handler: Handler, folder: Path) -> AsyncIterator[tuple[Http2BackEnd, RawUpstream]]:
    """One that runs; its certificate is left in `folder`. Raises afterwards what a handler failed with."""
    harness = Http2BackEnd(handler)
    async with upstream(harness.serve, tls=server_context(folder, "localhost")) as raw:
        yield harness, raw
    if harness.errors:
        raise harness.errors[0]
