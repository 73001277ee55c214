"""An open-loop client: requests leave at their appointed times, whether or not earlier ones were answered.

A closed loop such as wrk's asks less often of a slow server and so flatters it. Here a request's time counts from
its appointed moment, the moments come at random (exponential gaps), and a request that finds no free connection
waits for one with its clock running. `select` is used because it waits to the microsecond; epoll to the millisecond.
"""

import random
import select
import socket
from collections import deque
from time import perf_counter

from bench.load import LoadFailed

CONNECTIONS = 64
READ = 1 << 16


class OpenLoop:
    """Sends `requests` in turn to one address, at `rate` in a second. Answers must have a Content-Length."""

    def __init__(self, url: str, requests: list[bytes], rate: float) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._idle = deque(_connect(host, int(port)) for _ in range(CONNECTIONS))
        self._asked: dict[socket.socket, tuple[float, bytearray]] = {}
        self._waiting: deque[float] = deque()
        self._requests = requests
        self._rate = rate
        self._turn = 0
        self.times: list[float] = []

    def run(self, seconds: float) -> list[float]:
        """The time of each request in milliseconds, sorted. Raises LoadFailed where an answer is no success."""
        now = perf_counter()
        due, end = now, now + seconds
        while due < end or self._asked:
            now = perf_counter()
            while due < end and due <= now:
                self._waiting.append(due)
                due += random.expovariate(self._rate)
            self._send()
            patience = max(0.0, due - perf_counter()) if due < end else 1.0
            readable, _, _ = select.select(list(self._asked), [], [], patience)
            if due >= end and not readable and self._asked:
                raise LoadFailed(f"{len(self._asked)} requests were not answered")
            for each in readable:
                self._read(each)
        self._close()
        return sorted(self.times)

    def _send(self) -> None:
        while self._waiting and self._idle:
            connection = self._idle.popleft()
            connection.sendall(self._requests[self._turn % len(self._requests)])
            self._turn += 1
            self._asked[connection] = (self._waiting.popleft(), bytearray())

    def _read(self, connection: socket.socket) -> None:
        due, got = self._asked[connection]
        data = connection.recv(READ)
        got += data
        if not data or not got.startswith(b"HTTP/1.1 200 "[: len(got)]):
            raise LoadFailed(f"the answer began with {bytes(got[:60])!r}")
        if _complete(got):
            self.times.append((perf_counter() - due) * 1000)
            del self._asked[connection]
            self._idle.append(connection)

    def _close(self) -> None:
        for connection in self._idle:
            connection.close()


def at(ordered: list[float], part: float) -> float:
    """The value below which so large a part of an ordered list lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def _connect(host: str, port: int) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _complete(got: bytearray) -> bool:
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(got[:end]).lower()
    start = head.index(b"content-length:") + 15
    return len(got) - end - 4 >= int(head[start:].split(b"\r\n", 1)[0])
