"""A dependency client with a function for a dependency and a number for the time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import httpx

from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.dependency_messages import DependencyResponse
from talaria.adapters.partner_kit import AdapterAccounts, PartnerAdapter, PartnerContext, PartnerHttp
from talaria.domain.errors import PERSONAL, BadAnswer, DependencyFaults
from talaria.domain.events import HopContext
from talaria.domain.model import Sensitive
from talaria.domain.rate_limits import RateLimiter
from talaria.testing import MemoryClock, MemoryRecorder

WALL = 1_800_000_000.0

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Transport(httpx.MockTransport):
    """One that notes that it was closed."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


class Bench:
    """What a test sees: requests, pauses between attempts, events, and the client. `meanwhile`: happens in a pause."""

    def __init__(
        self,
        *answers: object,
        faults: DependencyFaults = PERSONAL,
        attempts: int = 3,
        timeout: float = 1.0,
        rate_limiter: RateLimiter | None = None,
    ) -> None:
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.clock = MemoryClock()
        self.recorder = MemoryRecorder()
        self.jitter = 0.0
        self.meanwhile: Callable[[], object] = lambda: None
        self._answers = list(answers)
        self.transport = Transport(self._answer)
        self.client = DependencyClient(
            "dependency",
            "http://dependency.test/base/",
            faults,
            timeout=timeout,
            attempts=attempts,
            recorder=self.recorder,
            clock=self.clock,
            transport=self.transport,
            max_concurrent=2,
            rate_limiter=rate_limiter,
            sleep=self._sleep,
            jitter=lambda: self.jitter,
            wall=lambda: WALL,
        )

    def answers(self, *answers: object) -> None:
        """From now on these; the last one stays."""
        self._answers = list(answers)

    async def ask(self, call: HopContext | None = None) -> DependencyResponse:
        """Post `{}`; a 200 is good, anything else a bad answer."""
        return await self.client.post("/question", b"{}", {"x-own": "1"}, call or HopContext("request-1", 5.0), read)

    def context(self, options: object = None, api_key: str = "") -> PartnerContext:
        """What an adapter gets: every url is asked through this client."""
        http = PartnerHttp(self.client)
        return PartnerContext(
            "wind", options, Sensitive(api_key) if api_key else None, http, lambda _: http, self.clock
        )

    def accounts(self, adapter: Callable[[PartnerContext], PartnerAdapter], **given: Any) -> AdapterAccounts:
        """The adapter, as the exchange asks it."""
        context = self.context(**given)
        return AdapterAccounts(adapter(context), context.http)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = await answer(request)
        if isinstance(answer, int):
            answer = httpx.Response(answer)
        assert isinstance(answer, httpx.Response)
        return unread(answer)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.move(seconds)
        self.meanwhile()


def status(code: int, **headers: str) -> httpx.Response:
    return httpx.Response(code, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def hang(request: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


def unread(answer: httpx.Response) -> httpx.Response:
    """The same answer as a transport gives it: its body still to be read."""
    body = answer.content if answer.is_stream_consumed else b"".join(cast(httpx.ByteStream, answer.stream))
    return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(body))


def read(response: DependencyResponse) -> DependencyResponse:
    """As an adapter would."""
    if response.status != 200:
        raise BadAnswer("personal", f"status {response.status}")
    return response
