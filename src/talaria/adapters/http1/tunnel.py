"""A tunnel through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), on a socket that is connected to the proxy."""

import asyncio
import socket
from typing import Final

from talaria.adapters.http1.errors import ConnectError, RemoteProtocolError
from talaria.adapters.http1.response_head import ResponseHeadParser

_READ_AT_MOST: Final = 16 * 1024


async def open_tunnel(sock: socket.socket, target: bytes) -> None:
    """Have the proxy connect to `target` (host:port). Afterwards the socket is the target's.

    Raises ConnectError, or OSError where the connection to the proxy breaks.
    """
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (target, target))
    parser, found = ResponseHeadParser(), None
    try:
        while found is None:
            data = await loop.sock_recv(sock, _READ_AT_MOST)
            if not data:
                raise ConnectError("the egress proxy closed the connection")
            found = parser.read(data, to_head=True)
    except RemoteProtocolError as error:
        raise ConnectError(f"egress proxy: {error}") from None
    head, surplus = found
    if not 200 <= head.status < 300:
        raise ConnectError(f"refused by the egress proxy: {head.status}")
    if surplus:  # the target speaks only when it is spoken to: these bytes are nothing that may be taken for its own
        raise ConnectError("egress proxy: bytes after its answer")
