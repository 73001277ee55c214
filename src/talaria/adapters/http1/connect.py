"""From a url to a connected socket: the name is looked up each time, addresses are raced (RFC 8305), a proxy is asked.

The race is ours and works on plain sockets, for uvloop has none; TLS is spoken by the winner only.
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import urlsplit

from talaria.adapters.http1.errors import ConnectError, PoolExhausted
from talaria.adapters.http1.resolver import Address, Resolver
from talaria.adapters.http1.tunnel import Tunnel
from talaria.adapters.tls import client_tls, why_refused

ATTEMPT_DELAY: Final = 0.25
"""Seconds that an address has before the next one is tried beside it: RFC 8305's Connection Attempt Delay."""

_READ_AT_MOST = 16 * 1024
_PORTS = {"http": 80, "https": 443}
_LOCAL_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_P = TypeVar("_P", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a url points. `authority` is its `Host`; `target` is the same with a port always (for CONNECT).

    `tls` is None for http. `local_address`: the address to call from. `proxy`: the HTTP proxy to tunnel through.
    """

    host: str
    port: int
    authority: bytes
    target: bytes
    tls: ssl.SSLContext | None = None
    local_address: str | None = None
    proxy: "Endpoint | None" = None
    resolver: Resolver = field(default_factory=Resolver, compare=False, repr=False)

    @classmethod
    def of(
        cls, url: str, tls: ssl.SSLContext | None = None, local_address: str | None = None, egress_proxy: str = ""
    ) -> "Endpoint":
        """What `url` (scheme, host, perhaps a port, no more) names; `egress_proxy`: the url of an http proxy.

        Raises ValueError.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("a url must be http:// or https:// with a host, and no path")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("a url must have no query, fragment or user")
        host = parts.hostname
        name = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
        port = parts.port or _PORTS[parts.scheme]
        target = f"{name}:{port}"
        authority = name if port == _PORTS[parts.scheme] else target
        context = (tls or client_tls()) if parts.scheme == "https" else None
        proxy = cls.of(egress_proxy) if egress_proxy else None
        if proxy is not None and proxy.tls is not None:
            raise ValueError("an egress proxy is spoken to by http://")
        return cls(host, port, authority.encode("ascii"), target.encode("ascii"), context, local_address, proxy)


async def connect(endpoint: Endpoint, protocol: Callable[[], _P]) -> _P:
    """Connect, through the proxy and with TLS where the endpoint wants them. Cancelling it leaves nothing open.

    Raises ConnectError, PoolExhausted where this machine has no socket left, or TimeoutError where the system gave up.
    """
    via = endpoint.proxy
    try:
        sock, address = await _open_socket(via or endpoint, endpoint.local_address)
    except OSError as error:
        raise _translated(error, "egress proxy: " if via else "") from None
    # A dot at the end is no part of the name that is sent and verified (RFC 6066, section 3).
    name = endpoint.host.removesuffix(".") if endpoint.tls is not None else None
    try:
        if via is not None:
            await _open_tunnel(sock, Tunnel(endpoint.target))
        making = asyncio.get_running_loop().create_connection
        _, connected = await making(protocol, sock=sock, ssl=endpoint.tls, server_hostname=name)
    except BaseException as error:
        # A transport that has the socket closes it, once nothing watches its descriptor: closed here, its number would
        # go to the next socket, and bytes of one connection to another. The end makes a transport close.
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        if via is None:
            endpoint.resolver.failed(address)
        if isinstance(error, OSError):
            raise _translated(error) from None
        raise
    return connected


async def _open_socket(endpoint: Endpoint, local_address: str | None) -> tuple[socket.socket, Address]:
    resolver = endpoint.resolver
    addresses = await resolver.in_order(endpoint.host, endpoint.port)
    return await happy_eyeballs(addresses, local_address, resolver.failed)


async def _open_tunnel(sock: socket.socket, tunnel: Tunnel) -> None:
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(sock, tunnel.request)
        while not tunnel.feed(await loop.sock_recv(sock, _READ_AT_MOST)):
            continue
    except BaseException:
        sock.close()
        raise


def _translated(error: OSError, where: str = "") -> Exception:
    if isinstance(error, TimeoutError):
        return error
    return PoolExhausted(why(error)) if is_local(error) else ConnectError(where + why(error))


def is_local(error: OSError) -> bool:
    """Is it this machine that has no socket left?"""
    return error.errno in _LOCAL_ERRNOS and not isinstance(error, socket.gaierror | ssl.SSLError)


def why(error: OSError) -> str:
    """A short cause without data: neither a name nor an address nor a byte of the peer."""
    if isinstance(error, socket.gaierror):
        return "name not found"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {why_refused(error)}"
    if isinstance(error, ssl.SSLError):
        return "TLS: handshake failed"
    return os.strerror(error.errno).lower() if error.errno else "connection failed"


async def happy_eyeballs(
    addresses: Sequence[Address], local_address: str | None, failed: Callable[[Address], None]
) -> tuple[socket.socket, Address]:
    """The first socket that connects, and its address.

    The next address is tried after ATTEMPT_DELAY, or once the one before failed. `failed` is told of each address that
    was tried and has no connection by then. Raises OSError, that of the address that failed first.
    """
    racing: dict[asyncio.Task[socket.socket], Address] = {}
    errors: list[BaseException] = []
    waiting = list(addresses)
    try:
        while waiting or racing:
            if waiting:
                address = waiting.pop(0)
                racing[asyncio.create_task(_connected(address, local_address))] = address
            delay = ATTEMPT_DELAY if waiting else None
            done, _ = await asyncio.wait(racing, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    return task.result(), racing.pop(task)
                failed(racing.pop(task))
                errors.append(error)
    finally:
        for task, address in racing.items():
            failed(address)
            _withdraw(task)
    raise errors[0] if errors else OSError("no address")


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
