"""The log of a simulated service: the requests that it got."""

import asyncio
import hashlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

_KEPT_BODY = 64 * 1024


@dataclass(slots=True)
class RecordedRequest:
    """One request, filled in while it runs. Times are `time.perf_counter` seconds.

    `target` is the raw path and query. `body` holds the first 64 KiB, `size` and `sha256` tell of all of it that
    was read. `status` is 0 until an answer has begun. `ended` is set when all is over: `answered`, or `left` by a
    client that closed its connection first. What could hold a secret is not in the repr.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    at: float = field(default_factory=time.perf_counter)
    body: bytes = field(default=b"", repr=False)
    size: int = 0
    status: int = 0
    answered_at: float = 0.0
    answered: bool = False
    left: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _digest: Any = field(default_factory=hashlib.sha256, repr=False)

    @property
    def sha256(self) -> str:
        """Hex digest of the body, as far as it was read."""
        return str(self._digest.hexdigest())

    @property
    def seconds(self) -> float:
        """From the head of the request to the end of its answer; 0 while it runs."""
        return max(0.0, self.answered_at - self.at)

    def header(self, name: bytes) -> list[bytes]:
        """Every value of a header, in order; `name` in lower case."""
        return [value for known, value in self.headers if known == name]

    def take(self, chunk: bytes) -> None:
        """A piece of the body has been read."""
        self.size += len(chunk)
        self._digest.update(chunk)
        if len(self.body) < _KEPT_BODY:
            self.body += chunk[: _KEPT_BODY - len(self.body)]


class RequestLog:
    """The last requests of a service, and how many there were.

    `last` raises IndexError where nothing came yet.
    """

    def __init__(self, kept: int = 5_000) -> None:
        self._kept: deque[RecordedRequest] = deque(maxlen=kept)
        self._arrived = asyncio.Event()
        self.count = 0

    def add(self, request: RecordedRequest) -> None:
        """Keep one more; the oldest goes when there are too many."""
        self._kept.append(request)
        self.count += 1
        self._arrived.set()

    @property
    def all(self) -> list[RecordedRequest]:
        """What is kept, oldest first."""
        return list(self._kept)

    @property
    def last(self) -> RecordedRequest:
        """The newest."""
        return self._kept[-1]

    def clear(self) -> None:
        """Forget all, and count from 0 again."""
        self._kept.clear()
        self.count = 0

    async def wait_for(self, count: int, timeout: float = 5.0) -> RecordedRequest:
        """The newest request, once at least `count` have come. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while self.count < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.last
