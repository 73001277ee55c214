"""How the processes of one gateway talk: frames over the socket pair that each has to its supervisor.

The supervisor routes frames by their address and never looks into them, for they may hold what a worker knows of
persons: they are in memory alone. A socket pair has no name, so no file and no other user can reach it.

    frame = length of the payload (4 bytes), address (2 bytes, signed), payload (msgpack)

`address` is the receiver's number on the way to the supervisor, and the sender's on the way from it.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import msgspec

logger = logging.getLogger("talaria.control")

SUPERVISOR = -1
SIBLINGS = -2
"""All other workers."""
ELDEST = -3
"""Of the other workers the one that has been running for the longest time."""

HEARTBEAT_SECONDS = 1.0
HEADER = struct.Struct("!Ih")
BACKLOG_LIMIT = 64 * 1024 * 1024
"""How many bytes may wait for one process; what does not fit is dropped."""

Handler = Callable[..., Any]


class ControlRequest(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A method of the receiver and its arguments. `id` 0: no reply is wanted."""

    id: int
    method: str
    arguments: list[Any]


class ControlReply(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What came of the request of this id. It stays encoded until it is known what it is."""

    id: int
    result: msgspec.Raw


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ControlRequest | ControlReply).decode


def frame(address: int, payload: bytes) -> bytes:
    """One frame as it is sent."""
    return HEADER.pack(len(payload), address) + payload


def heartbeat(drain_timeout: float) -> bytes:
    """The payload by which a process tells SUPERVISOR that its event loop runs, and how long its drain may take."""
    return _encode(drain_timeout)


def read_heartbeat(payload: bytes) -> float:
    """The seconds that the drain of the sender may take."""
    return msgspec.msgpack.decode(payload, type=float)


def notice(method: str, *arguments: Any) -> bytes:
    """The payload of a request that wants no reply."""
    return _encode(ControlRequest(0, method, list(arguments)))


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames (address, payload) that are complete now."""
        buffer, frames, start = self._buffer, [], 0
        buffer += data
        while len(buffer) >= start + HEADER.size:
            length, address = HEADER.unpack_from(buffer, start)
            end = start + HEADER.size + length
            if len(buffer) < end:
                break
            frames.append((address, bytes(buffer[start + HEADER.size : end])))
            start = end
        del buffer[:start]
        return frames


class ControlConnection(asyncio.Protocol):
    """A process's end of its socket pair. Answers requests by `handlers`, and sends its own.

    `on_closed` is called when the supervisor is gone.
    """

    def __init__(self, handlers: Mapping[str, Handler], on_closed: Callable[[], None]) -> None:
        self._handlers = handlers
        self._on_closed = on_closed
        self._transport: asyncio.WriteTransport | None = None
        self._reader = FrameReader()
        self._replies: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._last_id = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(
        cls, end: socket.socket, handlers: Mapping[str, Handler], on_closed: Callable[[], None]
    ) -> "ControlConnection":
        """Talk over this end of a pair from now on."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(lambda: cls(handlers, on_closed), sock=end)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_closed()

    def data_received(self, data: bytes) -> None:
        for sender, payload in self._reader.feed(data):
            message = _decode(payload)
            if isinstance(message, ControlReply):
                reply = self._replies.pop(message.id, None)
                if reply is not None and not reply.done():
                    reply.set_result(message.result)
            else:
                self._handle(sender, message)

    def start_beating(self, drain_timeout: Callable[[], float]) -> None:
        """Tell the supervisor that this event loop runs, from now on until the connection ends."""
        if self._transport is not None and not self._transport.is_closing():
            self.send(SUPERVISOR, heartbeat(drain_timeout()))
            asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self.start_beating, drain_timeout)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def notify(self, receiver: int, method: str, *arguments: Any) -> None:
        """Send a request that wants no reply. Never waits; dropped where too much waits already."""
        self.send(receiver, notice(method, *arguments))

    async def request(self, receiver: int, kind: Any, method: str, *arguments: Any) -> Any:
        """What the receiver's handler returned, as a `kind`. The caller limits the time: there may be no receiver."""
        self._last_id += 1
        number = self._last_id
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        try:
            self.send(receiver, _encode(ControlRequest(number, method, list(arguments))))
            return msgspec.msgpack.decode(await reply, type=kind)
        finally:
            self._replies.pop(number, None)

    def send(self, receiver: int, payload: bytes) -> None:
        """Send one frame."""
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() < BACKLOG_LIMIT:
            transport.write(frame(receiver, payload))

    def _handle(self, sender: int, request: ControlRequest) -> None:
        """Requests are begun in the order in which they came."""
        try:
            result = self._handlers[request.method](*request.arguments)
        except Exception:
            _log_failure(request)
            return
        if isinstance(result, Awaitable):
            task = asyncio.ensure_future(self._finish(sender, request, result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._reply(sender, request, result)

    async def _finish(self, sender: int, request: ControlRequest, pending: Awaitable[Any]) -> None:
        try:
            result = await pending
        except Exception:
            _log_failure(request)
        else:
            self._reply(sender, request, result)

    def _reply(self, sender: int, request: ControlRequest, result: Any) -> None:
        if request.id:
            self.send(sender, _encode(ControlReply(request.id, msgspec.Raw(_encode(result)))))


def _log_failure(request: ControlRequest) -> None:
    logger.exception("a request of another process failed", extra={"method": request.method})
