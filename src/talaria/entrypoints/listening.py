"""Listening sockets: bound before anything else starts, so that a taken port is said at once."""

import ipaddress
import socket

from talaria.entrypoints.config import Address

_ASKED_FOR = 0.2


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


def reachable(address: Address) -> Address:
    """The address itself, but for one that listens everywhere: that one is asked on the loopback."""
    try:
        ip = ipaddress.ip_address(address.host)
    except ValueError:
        return address
    if not ip.is_unspecified:
        return address
    return Address("127.0.0.1" if ip.version == 4 else "::1", address.port)


def is_answered(address: Address) -> bool:
    """Whether somebody accepts connections there now. Costs a connection, and a fifth of a second at most."""
    if not address.port:
        return False
    asked = reachable(address)
    try:
        socket.create_connection((asked.host, asked.port), _ASKED_FOR).close()
    except OSError:
        return False
    return True


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Where clients on this machine reach the socket."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
