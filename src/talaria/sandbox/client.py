"""One HTTP request over its own connection, with the times that it took. Blocking: call it in a thread."""

import http.client
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. Times are `time.perf_counter` seconds: begun, head of the answer there, all of it there."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = field(repr=False)
    began: float = 0.0
    head: float = 0.0
    ended: float = 0.0

    def header(self, name: str) -> str:
        """The first value of a header, or an empty text."""
        return next((value for known, value in self.headers if known.lower() == name), "")


def fetch(url: str, headers: dict[str, str] | None = None, *, method: str = "GET", timeout: float = 5.0) -> Fetched:
    """Ask once, follow nothing, obey no proxy of the environment.

    Raises OSError or http.client.HTTPException where there is no answer.
    """
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    began = time.perf_counter()
    try:
        connection.request(method, target or "/", headers=headers or {})
        answer = connection.getresponse()
        head = time.perf_counter()
        body = answer.read()
        return Fetched(answer.status, answer.getheaders(), body, began, head, time.perf_counter())
    finally:
        connection.close()
