"""A peer on a thread with blocking sockets: what it sends has arrived, though the event loop has not looked yet."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Literal

from tests.integration.http1.support_peers import HELLO

Deed = Literal["surplus", "close", "nothing"]

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SURPLUS = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"


class BlockingPeer:
    """Answers every request with HELLO. On the first connection it does its `deed` when `act` is called.

    `tunnel`: it is a proxy first. `response` is what it answers on the first connection.
    """

    def __init__(
        self, deed: Deed, *, tls: ssl.SSLContext | None = None, tunnel: bool = False, response: bytes = HELLO
    ) -> None:
        self.connections = 0
        self._deed = deed
        self._tls = tls
        self._tunnel = tunnel
        self._response = response
        self._go, self._done = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    async def left(self) -> None:
        """Wait until every connection is closed."""
        async with asyncio.timeout(5):
            while any(thread.is_alive() for thread in self._threads):
                await asyncio.sleep(0)

    def act(self) -> None:
        """Do the deed, and return once it is done and the response has left. Blocks the caller, event loop and all."""
        self._go.set()
        assert self._done.wait(5)

    def close(self) -> None:
        """Accept no more."""
        self._go.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                nth, self.connections = self.connections, self.connections + 1
                thread = threading.Thread(target=self._serve, args=(accepted, nth), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, raw: socket.socket, nth: int) -> None:
        with contextlib.suppress(OSError), raw:
            if self._tunnel:
                _read_request(raw)
                raw.sendall(ESTABLISHED)
            connection = raw if self._tls is None else self._tls.wrap_socket(raw, server_side=True)
            with connection:
                if not nth:
                    _read_request(connection)
                    connection.sendall(self._response)
                    self._act_on(connection)
                while _read_request(connection):
                    connection.sendall(HELLO)

    def _act_on(self, connection: socket.socket) -> None:
        if self._deed != "nothing":
            self._go.wait()
        if self._deed == "surplus":
            connection.sendall(SURPLUS)
        elif self._deed == "close":
            connection.shutdown(socket.SHUT_WR)
        self._done.set()


def _read_request(connection: socket.socket) -> bytes:
    """Head and body of a request; b"" at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head


@contextlib.contextmanager
def blocking_peer(
    deed: Deed, *, tls: ssl.SSLContext | None = None, tunnel: bool = False, response: bytes = HELLO
) -> Iterator[BlockingPeer]:
    """A peer that runs meanwhile."""
    peer = BlockingPeer(deed, tls=tls, tunnel=tunnel, response=response)
    try:
        yield peer
    finally:
        peer.close()
