"""httpcore's HTTP/2 connection, with what a gateway can't live with mended.

As it stands, it tells the upstream nothing of a client that has left, so that the work there goes on; one client that
reads slowly takes the window of all the others, and 16 MiB of memory; a write that is cancelled half-way leaves a
connection that nobody can use, and everybody does; one that the peer closed while idle is used again; a request that
the peer did not take is sent anew with what is left of its body; a line break in a header of the answer is passed on.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import httpcore
import httpcore._async.http2

_FIRST_WINDOW = 65_535
_WHOLE_WINDOW = 2**31 - 1
_STREAM_WINDOW = 256 * 1024
_LAST_WORDS = httpcore.Request(b"GET", "https://last.words", extensions={"timeout": {"write": 1.0}})


class _State(h2.connection.H2Connection):
    """The windows: a stream's is its own memory, and no sum of streams can fill the connection's."""

    def increment_flow_control_window(self, increment: int, stream_id: int | None = None) -> None:
        """In place of the 16 MiB that httpcore asks for, for a stream as for the whole connection."""
        window = _WHOLE_WINDOW if stream_id is None else _STREAM_WINDOW
        super().increment_flow_control_window(window - _FIRST_WINDOW, stream_id)


class Http2Connection(httpcore.AsyncHTTP2Connection):
    """One connection. A stream that is given up is reset; bytes on an idle connection end it."""

    CONFIG = h2.config.H2Configuration(validate_inbound_headers=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._h2_state = _State(config=self.CONFIG)
        self._telling: set[asyncio.Task[None]] = set()

    def has_expired(self) -> bool:
        """Kept for too long, or closed by the peer: what it says while idle is a farewell, as a rule."""
        return super().has_expired() or (self.is_idle() and bool(self._network_stream.get_extra_info("is_readable")))

    async def _response_closed(self, stream_id: int) -> None:
        self._give_up(stream_id)
        await super()._response_closed(stream_id)

    def _give_up(self, stream_id: int) -> None:
        """Where the answer is not over: nobody will read the rest, and the upstream is told so."""
        stream = self._h2_state.streams.get(stream_id)
        if stream is None or stream.closed:
            return
        arrived = [event for event in self._events[stream_id] if isinstance(event, h2.events.DataReceived)]
        with suppress(h2.exceptions.ProtocolError):
            self._h2_state.acknowledge_received_data(sum(one.flow_controlled_length or 0 for one in arrived), stream_id)
            self._h2_state.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
        task = asyncio.create_task(self._tell())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self) -> None:
        with suppress(Exception):  # a connection that is lost needs no telling
            await super()._write_outgoing_data(_LAST_WORDS)

    async def _write_outgoing_data(self, request: httpcore.Request) -> None:
        await asyncio.shield(asyncio.ensure_future(super()._write_outgoing_data(request)))

    async def _receive_events(self, request: httpcore.Request, stream_id: int | None = None) -> None:
        try:
            await super()._receive_events(request, stream_id)
        except httpcore.ConnectionNotAvailable:
            # The peer has said goodbye and not taken this request: the pool would begin anew, with what is left of it.
            if httpcore._async.http2.has_body_headers(request):
                raise httpcore.RemoteProtocolError(self._connection_terminated) from None
            raise

    async def _read_incoming_data(self, request: httpcore.Request) -> list[h2.events.Event]:
        try:
            return await super()._read_incoming_data(request)
        except h2.exceptions.ProtocolError as error:
            self._connection_error = True
            raise httpcore.RemoteProtocolError("not HTTP/2") from error

    async def _receive_response_body(self, request: httpcore.Request, stream_id: int) -> AsyncIterator[bytes]:
        try:
            async for chunk in super()._receive_response_body(request, stream_id):
                yield chunk
        except h2.exceptions.ProtocolError as error:
            raise httpcore.RemoteProtocolError(self._connection_terminated or "not HTTP/2") from error


def mend_http2() -> None:
    """Have httpcore use the connection above: it looks the class up under this name, and has no argument for it."""
    httpcore._async.http2.AsyncHTTP2Connection = Http2Connection  # type: ignore[misc]
