"""Clients that ask for much and read little."""

import socket
from contextlib import suppress
from types import TracebackType
from typing import Self

RECEIVE_BUFFER = 64 << 10


class SlowReaders:
    """So many connections that each sent one request. `total`: bytes read by all of them so far."""

    def __init__(self, url: str, path: str, headers: dict[str, str], count: int) -> None:
        host, port = url.removeprefix("http://").split(":")
        lines = [f"GET {path} HTTP/1.1", f"host: {host}:{port}", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
        self._request = "\r\n".join(lines).encode()
        self._address = (host, int(port))
        self._count = count
        self._sockets: list[socket.socket] = []
        self.total = 0

    def __enter__(self) -> Self:
        for _ in range(self._count):
            each = socket.socket()
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            each.connect(self._address)
            each.sendall(self._request)
            each.setblocking(False)
            self._sockets.append(each)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._sockets:
            each.close()

    def read(self, most: int) -> None:
        """Each reads what is there, at most so many bytes."""
        for each in self._sockets:
            with suppress(BlockingIOError):
                self.total += len(each.recv(most))
