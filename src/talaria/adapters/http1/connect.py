"""From a url to a connected socket: the name is asked for again each time (names.py), addresses are raced (RFC 8305).

The race is ours and works on plain sockets, for uvloop has none; TLS is spoken by the winner only.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Final, TypeVar
from urllib.parse import urlsplit

from talaria.adapters.http1.resolver import Address, Names
from talaria.adapters.tls import client_tls, why_refused
from talaria.domain.errors import GatewayOverloaded, Unreachable

HEAD_START: Final = 0.25
"""Seconds that an address has before the next one is tried beside it."""

_PORTS = {"http": 80, "https": 443}
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_P = TypeVar("_P", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a url points. `tls` is None for http. `local_address`: the address to call from.

    `names`: who is asked where `host` is.
    """

    host: str
    port: int
    authority: bytes
    tls: ssl.SSLContext | None = None
    local_address: str | None = None
    names: Names = field(default_factory=Names, compare=False, repr=False)

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None = None, local_address: str | None = None) -> "Place":
        """The place that `url` (scheme, host, perhaps a port, no more) names.

        Raises ValueError.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("a url must be http:// or https:// with a host, and no path")
        if parts.query or parts.fragment or parts.username is not None or parts.password is not None:
            raise ValueError("a url must have no query, fragment or user")
        host = parts.hostname
        name = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
        port = parts.port or _PORTS[parts.scheme]
        authority = name if port == _PORTS[parts.scheme] else f"{name}:{port}"
        if parts.scheme == "http":
            return cls(host, port, authority.encode("ascii"), None, local_address)
        return cls(host, port, authority.encode("ascii"), tls or client_tls(), local_address)


async def dial(place: Place, protocol: Callable[[], _P]) -> _P:
    """Connect, with TLS where the place wants it. Cancelling it leaves nothing open.

    Raises Unreachable, GatewayOverloaded where this machine has no socket left, or TimeoutError where the
    system gave up.
    """
    loop = asyncio.get_running_loop()
    try:
        sock = await race(await place.names.addresses_of(place.host, place.port), place.local_address)
    except TimeoutError:
        raise
    except OSError as error:
        if is_ours(error):
            raise GatewayOverloaded(why(error), retry_after=1.0) from None
        raise Unreachable("upstream", why(error)) from None
    try:
        name = place.host if place.tls is not None else None
        _, connected = await loop.create_connection(protocol, sock=sock, ssl=place.tls, server_hostname=name)
    except OSError as error:
        sock.close()
        raise Unreachable("upstream", why(error)) from None
    except BaseException:
        sock.close()
        raise
    return connected


def is_ours(error: OSError) -> bool:
    """Is it this machine that has no socket left?"""
    return error.errno in _OURS and not isinstance(error, socket.gaierror | ssl.SSLError)


def why(error: OSError) -> str:
    """A short cause without data: neither a name nor an address nor a byte of the peer."""
    if isinstance(error, socket.gaierror):
        return "name not found"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {why_refused(error)}"
    if isinstance(error, ssl.SSLError):
        return "TLS: handshake failed"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return os.strerror(error.errno).lower() if error.errno else "connection failed"


async def race(addresses: Sequence[Address], local_address: str | None) -> socket.socket:
    """The first socket that connects; each address gets a head start before the next."""
    addresses = _interleaved(addresses)
    if len(addresses) == 1:
        return await _connected(addresses[0], local_address)
    racing: set[asyncio.Task[socket.socket]] = set()
    errors: list[BaseException] = []
    waiting = list(addresses)
    try:
        while waiting or racing:
            if waiting:
                racing.add(asyncio.create_task(_connected(waiting.pop(0), local_address)))
            done, racing = await asyncio.wait(
                racing, timeout=HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            won = [task for task in done if task.exception() is None]
            racing.update(won[1:])
            if won:
                return won[0].result()
            errors += [error for task in done if (error := task.exception()) is not None]
    finally:
        for task in racing:
            _withdraw(task)
    raise errors[0] if errors else OSError("no address")


def _interleaved(addresses: Sequence[Address]) -> Sequence[Address]:
    """Families take turns, the resolver's first choice first."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain.from_iterable(zip_longest(first, others)) if address is not None]


def _withdraw(task: "asyncio.Task[socket.socket]") -> None:
    if not task.cancel() and not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connected(address: Address, local_address: str | None) -> socket.socket:
    family, remote = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if local_address is not None:
            sock.bind((local_address, 0))
        await asyncio.get_running_loop().sock_connect(sock, remote)
    except BaseException:
        sock.close()
        raise
    return sock
