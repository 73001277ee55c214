"""httpcore's HTTP/2 connection, with what a gateway can't live with mended.

As it stands, it tells the upstream nothing of a client that has left, so that the work there goes on; one client that
reads slowly takes the window of all the others, and 16 MiB of memory; a write or a beginning that is cancelled half-way
leaves a connection that nobody can use, and everybody does; one that the peer closed while idle is used again; a
request that the peer did not take is sent anew with what is left of its body; a line break in a header of the answer is
passed on.
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
from httpcore._synchronization import AsyncSemaphore

_FIRST_WINDOW = 65_535
_WHOLE_WINDOW = 2**31 - 1
_STREAM_WINDOW = 256 * 1024
_LOST = "Server disconnected"  # httpcore's own words, which `kind_of` knows
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
        self._beginning: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def has_expired(self) -> bool:
        """Kept for too long, or closed by the peer: what it says while idle is a farewell, as a rule."""
        idle = self.is_idle() and self._request_count > 0
        return super().has_expired() or (idle and bool(self._network_stream.get_extra_info("is_readable")))

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """As the base does; where another request found the connection broken, it says so, and blames nobody's head."""
        if self._beginning is None:
            self._beginning = asyncio.create_task(self._begin(request))
            self._beginning.add_done_callback(_heard)
        await asyncio.shield(self._beginning)
        try:
            return await super().handle_async_request(request)
        except h2.exceptions.ProtocolError as error:
            raise httpcore.RemoteProtocolError(_LOST) from error
        except httpcore.LocalProtocolError as error:
            if self._is_over():
                raise httpcore.RemoteProtocolError(_LOST) from error
            raise

    def _is_over(self) -> bool:
        return self.is_closed() or self._h2_state.state_machine.state == h2.connection.ConnectionState.CLOSED

    async def _begin(self, request: httpcore.Request) -> None:
        """What the base does before the first request, in a task of its own: whoever came first may leave."""
        try:
            await self._send_connection_init(request)
        except BaseException:
            await self.aclose()
            raise
        most = self._h2_state.local_settings.max_concurrent_streams
        self._max_streams = 1  # until the peer says how many
        self._max_streams_semaphore = AsyncSemaphore(most)
        for _ in range(most - self._max_streams):
            await self._max_streams_semaphore.acquire()
        self._sent_connection_init = True

    async def _send_request_headers(self, request: httpcore.Request, stream_id: int) -> None:
        if self._is_over():
            raise httpcore.ConnectionNotAvailable
        await super()._send_request_headers(request, stream_id)

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
        self._write_on(_LAST_WORDS)

    async def _write_outgoing_data(self, request: httpcore.Request) -> None:
        await asyncio.shield(self._write_on(request))

    def _write_on(self, request: httpcore.Request) -> "asyncio.Task[None]":
        """Write what there is to write, to its end, whoever leaves meanwhile."""
        task = asyncio.create_task(super()._write_outgoing_data(request))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        task.add_done_callback(_heard)
        return task

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


def _heard(task: "asyncio.Task[None]") -> None:
    """Whoever still waits for it is told of its exception, and nobody else need be."""
    if not task.cancelled():
        task.exception()


def mend_http2() -> None:
    """Have httpcore use the connection above: it looks the class up under this name, and has no argument for it."""
    httpcore._async.http2.AsyncHTTP2Connection = Http2Connection  # type: ignore[misc]
