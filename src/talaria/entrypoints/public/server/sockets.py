"""Listening sockets, bound before anything else starts, so that a taken port is reported at once; and what the kernel
knows of a client's socket.
"""

import asyncio
import ctypes
import errno
import fcntl
import logging
import socket
import struct
import sys
import termios
from contextlib import suppress
from typing import Final

from talaria.entrypoints.config import Address
from talaria.entrypoints.config.types import ip_of

logger = logging.getLogger("talaria.sockets")

BACKLOG: Final = 2048
_PROBE_SECONDS: Final = 0.2
_PASSES: Final = 10
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_NO_SYN: Final = struct.pack(
    "=" + 5 * "HBBI",
    *(0x30, 0, 0, 13),  # the flags of the TCP header
    *(0x54, 0, 0, 0x12),  # SYN and ACK
    *(0x15, 0, 1, 0x02),  # SYN alone?
    *(0x06, 0, 0, 0),  # then it is dropped
    *(0x06, 0, 0, 0xFFFFFFFF),  # all else passes
)
_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
_CLOSED_BY_PEER: Final = frozenset({7, 8})  # TCP_CLOSE, TCP_CLOSE_WAIT
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class CannotListen(Exception):
    """An address can't be had. The text says which and why."""


def bind(address: Address, setting: str, *, shared: bool = False) -> socket.socket:
    """A listening TCP socket. `shared`: another instance may listen on the same port (rolling restarts).

    Raises CannotListen, naming the `setting` to change.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY on these only
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        wrong = f"{setting}: can't listen on {address} ({error.strerror})"
        free = "free the port or " if error.errno == errno.EADDRINUSE else ""
        raise CannotListen(f"{wrong}; {free}choose another address") from error
    listener.setblocking(False)
    return listener


def loopback_for_wildcard(address: Address) -> Address:
    """The address itself; for one that listens everywhere, the loopback of its family."""
    ip = ip_of(address.host)
    if ip is None or not ip.is_unspecified:
        return address
    return Address("127.0.0.1" if ip.version == 4 else "::1", address.port)


def is_port_served(address: Address) -> bool:
    """Does a server accept connections there now? Costs a connection, and a fifth of a second at most."""
    if not address.port:
        return False
    asked = loopback_for_wildcard(address)
    try:
        socket.create_connection((asked.host, asked.port), _PROBE_SECONDS).close()
    except OSError:
        return False
    return True


async def stop_accepting(listener: socket.socket) -> None:
    """Before its server is closed: accept nothing more, and let every accepted connection reach its protocol.

    An asyncio server that is closed in between leaves the socket that was accepted last open and unserved. A connection
    that comes between the last accept and the end of the socket would be reset.
    """
    if listener.fileno() < 0:
        return
    _drop_new_syns(listener)
    asyncio.get_running_loop().remove_reader(listener)  # uvloop has none, and is fine with that
    await accepted()


async def accepted() -> None:
    """Returns once the event loop has made the protocols of all connections that it has accepted."""
    for _ in range(_PASSES):
        await asyncio.sleep(0)


def resume_accepting(listener: socket.socket) -> None:
    """Undo `stop_accepting`: another process goes on with the same socket."""
    if sys.platform == "linux":
        with suppress(OSError):  # there is nothing to undo
            listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def _drop_new_syns(listener: socket.socket) -> None:
    """Linux: drop what would open a connection. Its client tries again in a second, and finds another instance."""
    if sys.platform == "linux":
        code = ctypes.create_string_buffer(_NO_SYN)
        program = struct.pack("HP", len(_NO_SYN) // 8, ctypes.addressof(code))
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        except OSError as error:
            # Not as root, on some kernels.
            logger.info("a connection in the last moment of this drain may be reset: no filter (%s)", error.strerror)


def accept_waiting(listener: socket.socket) -> list[socket.socket]:
    """The connections that are complete and that no server has accepted yet."""
    waiting = []
    with suppress(OSError):  # no more
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            waiting.append(connection)
    return waiting


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Where clients on this machine reach the socket."""
    return f"{scheme}://{Address(*listener.getsockname()[:2])}"


def peer_has_closed(transport: asyncio.Transport) -> bool:
    """Has the client closed its side? For a connection that is not read from, where no end of file can be seen."""
    sock = transport.get_extra_info("socket")
    if _TCP_INFO is None or sock is None or sock.family == getattr(socket, "AF_UNIX", None):
        return False
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] in _CLOSED_BY_PEER
    except OSError:
        return True


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Bytes that the client has not taken yet. Those that the kernel holds move first, and over TLS they alone do."""
    unsent, sock = transport.get_write_buffer_size(), transport.get_extra_info("socket")
    if sock is None:
        return unsent
    try:
        return unsent + int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):
        return unsent


def reset_on_close(transport: asyncio.Transport) -> None:
    """Let the connection end by RST: for a body that has no other end than that of the connection, and is cut short."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
