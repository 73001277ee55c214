"""A key set behind a url, with a function in place of the network and a clock that is set by hand."""

import asyncio
from collections.abc import Callable

import httpx

from talaria.adapters.auth.jwks import JwksClient
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.http1.errors import ConnectError
from talaria.domain.errors import CALLER_KEYS
from talaria.testing import MemoryClock, MemoryRecorder
from tests.unit.adapters.auth.support_tokens import jwk, key_set
from tests.unit.adapters.support_dependency_client import unread

ONE, TWO, BOTH = key_set(jwk("ec-1")), key_set(jwk("ec-2")), key_set(jwk("ec-1"), jwk("ec-2"))
DOWN = ConnectError("connection refused")


class Issuer:
    """A caller's issuer: what it answers, how often it was asked, a gate that holds its answers back."""

    def __init__(self, answer: bytes | int | Exception = ONE, timeout: float = 5.0) -> None:
        self.answer = answer
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.clock = MemoryClock()
        self.recorder = MemoryRecorder()
        client = DependencyClient(
            "caller-keys:app",
            "http://issuer.test/keys",
            CALLER_KEYS,
            timeout=timeout,
            attempts=1,
            recorder=self.recorder,
            clock=self.clock,
            transport=httpx.MockTransport(self._answer),
        )
        self.keys = JwksClient(client, self.clock, timeout, ["ES256"])

    async def knows(self, kid: str | None) -> bool:
        """Whether a token of this `kid` can be verified."""
        return await self.keys.key_for(kid, "ES256") is not None

    async def fetched(self, times: int) -> None:
        """Until so many fetches have ended."""
        await settled(lambda: len(self.recorder.events) == times)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        status, body = (self.answer, b"") if isinstance(self.answer, int) else (200, self.answer)
        return unread(httpx.Response(status, content=body))


async def settled(condition: Callable[[], bool]) -> None:
    """Until background work has come so far. Nothing sleeps here, so some turns of the loop are enough."""
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")
