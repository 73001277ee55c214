"""Listening sockets: bound before anything else starts, so that a taken port is said at once."""

import asyncio
import ctypes
import ipaddress
import socket
import struct
import sys
from contextlib import suppress

from talaria.entrypoints.config import Address

_ASKED_FOR = 0.2
_PASSES = 10
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_NO_SYN = struct.pack(
    "=" + 5 * "HBBI",
    *(0x30, 0, 0, 13),  # the flags of the TCP header
    *(0x54, 0, 0, 0x12),  # SYN and ACK
    *(0x15, 0, 1, 0x02),  # SYN alone?
    *(0x06, 0, 0, 0),  # then it is dropped
    *(0x06, 0, 0, 0xFFFFFFFF),  # all else passes
)


class CannotListen(Exception):
    """An address can't be had. The text says which and why."""


def bind(host: str, port: int, setting: str, *, shared: bool = False) -> socket.socket:
    """A listening TCP socket. `shared`: another instance may listen on the same port (rolling restarts).

    Raises CannotListen, naming the `setting` to change.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY on these only
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"{setting}: can't listen on {host}:{port} ({error.strerror}); free the port or choose another address"
        ) from error
    listener.setblocking(False)
    return listener


def loopback_for_wildcard(address: Address) -> Address:
    """The address itself, but for one that listens everywhere: that one is asked on the loopback."""
    try:
        ip = ipaddress.ip_address(address.host)
    except ValueError:
        return address
    if not ip.is_unspecified:
        return address
    return Address("127.0.0.1" if ip.version == 4 else "::1", address.port)


def is_port_served(address: Address) -> bool:
    """Whether connections are accepted there now. Costs a connection, and a fifth of a second at most."""
    if not address.port:
        return False
    asked = loopback_for_wildcard(address)
    try:
        socket.create_connection((asked.host, asked.port), _ASKED_FOR).close()
    except OSError:
        return False
    return True


async def stop_accepting(listener: socket.socket) -> None:
    """Before its server is closed: nothing is accepted any more, and every accepted connection reaches its protocol.

    An asyncio server that is closed in between leaves the socket that was accepted last open and unanswered. And a
    connection made between the last accept and the end of the socket would be reset.
    """
    if listener.fileno() < 0:
        return
    _drop_new_syns(listener)
    asyncio.get_running_loop().remove_reader(listener)  # uvloop has none, and is fine with that
    await accepted()


async def accepted() -> None:
    """Returns once the event loop has told the protocols of all connections that it has accepted."""
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
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Where clients on this machine reach the socket."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
