"""An upstream that speaks HTTP/2, frame by frame."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import h2.config
import h2.connection
import h2.events
import h2.exceptions


class Http2Echo:
    """Answers every request with its path and body, over as many streams at once as come.

    Subclasses answer otherwise; `headers` are those of each request, `resets` the streams that were given up.
    """

    def __init__(self) -> None:
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.resets: list[int] = []
        self.changed = asyncio.Event()
        self._paths: dict[tuple[h2.connection.H2Connection, int], bytes] = {}
        self._bodies: dict[tuple[h2.connection.H2Connection, int], bytes] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        """One connection."""
        config = h2.config.H2Configuration(
            client_side=False, normalize_outbound_headers=False, validate_outbound_headers=False
        )
        connection = h2.connection.H2Connection(config)
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        while data := await reader.read(65_536):
            for event in connection.receive_data(data):
                self.take(connection, event)
            writer.write(connection.data_to_send())

    def take(self, connection: h2.connection.H2Connection, event: h2.events.Event) -> None:
        """Do what this event asks for."""
        if isinstance(event, h2.events.RequestReceived):
            assert event.stream_id is not None
            assert event.headers is not None
            headers = [(bytes(name), bytes(value)) for name, value in event.headers]
            self.headers.append(headers)
            self._paths[connection, event.stream_id] = dict(headers)[b":path"]
            self._bodies[connection, event.stream_id] = b""
        elif isinstance(event, h2.events.DataReceived):
            assert event.stream_id is not None
            assert event.flow_controlled_length is not None
            self._bodies[connection, event.stream_id] += event.data or b""
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            assert event.stream_id is not None
            self.resets.append(event.stream_id)
            self._paths.pop((connection, event.stream_id), None)
        elif isinstance(event, h2.events.StreamEnded):
            assert event.stream_id is not None
            path, body = (
                self._paths.pop((connection, event.stream_id), None),
                self._bodies.pop((connection, event.stream_id)),
            )
            with suppress(h2.exceptions.StreamClosedError):  # reset already, which the next event will say
                assert path is not None
                self.answer(connection, event.stream_id, path, body)
        self.changed.set()

    def answer(self, connection: h2.connection.H2Connection, stream: int, path: bytes, body: bytes) -> None:
        """Answer the request that has come in whole on this stream."""
        connection.send_headers(stream, [(":status", "200"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
        connection.send_data(stream, path + b" " + body, end_stream=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something came and the condition holds."""
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()
