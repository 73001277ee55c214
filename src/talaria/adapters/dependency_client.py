"""How personal, partners and key sets are asked: one small client with time limits, retries, a breaker and pacing.

The law of a hop:

1. All of it ends within `call.timeout`. From its place on (attempts, pauses between them) it has `timeout`, no longer.
2. At most `max_concurrent` hops at once; the others wait in the order in which they came. That is our pacing and not
   the dependency's slowness: it takes nothing of `timeout`, or who comes last would have no time left to be answered.
3. A hop is sent only with a permit of the breaker, which hears once what came of it: of the request, after its
   retries. A failure that a retry mends is none. An open breaker refuses before anything is waited for.
4. Another attempt follows only a failed connection or 429, 502, 503, 504, and only where `attempts`, the retry budget,
   the breaker and the time that is left allow it. Else the failure that was met is what the hop ends with, at once.
5. A connection gets an equal share of `timeout` to be made, so that one attempt that hangs there leaves room for the
   next. An answer gets all that is left: what hangs once would hang again, and twice the load helps nobody.
6. Redirects are not followed, cookies not kept, proxies of the environment not used, answers over 64 KiB or encoded
   ones not read.

Exceptions of httpx carry URLs and headers: they are translated here, and cut off (`from None`).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from talaria.adapters.httpx_transport import httpx_transport, kind_of
from talaria.adapters.reply import Reply, seconds_of
from talaria.domain.errors import BadAnswer, CircuitOpen, DependencyFault, Faults, InternalError, Refusal, UnknownUser
from talaria.domain.events import Attempt, HopContext
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import CircuitBreaker, RetryBudget

ANSWER_LIMIT = 64 * 1024
SHORTEST_PAUSE, LONGEST_PAUSE = 0.025, 0.25

_OVERLOADED = frozenset({429, 503})
_PASSING_STATUSES = _OVERLOADED | {502, 504}
_HEADERS = {"accept": "application/json, */*;q=0.5", "accept-encoding": "identity", "user-agent": "talaria-proxy"}
_JSON = {"content-type": "application/json"}

T = TypeVar("T")


class _Passing(Exception):
    """A failure that may pass: worth another attempt."""

    def __init__(self, refusal: Refusal, outcome: str) -> None:
        super().__init__(outcome)
        self.refusal = refusal
        self.outcome = outcome


@dataclass(slots=True)
class _Hop:
    """One question on its way, and what bounds it. `failed`: an attempt has; `status`, `silent`: of the present one."""

    request: httpx.Request
    call: HopContext
    ends: float
    scope: asyncio.Timeout
    status: int = 0
    silent: bool = False
    failed: bool = False


class DependencyClient:
    """Asks one dependency, as the law above says.

    `name` stands in attempts and events; `faults` says how failures are called. `timeout` is in seconds, `attempts`
    counts the first one too. `sleep`, `jitter` (0 to 1) and `wall` (seconds since the epoch) are seams for tests.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        faults: Faults,
        *,
        timeout: float,
        attempts: int,
        recorder: Recorder,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        max_concurrent: int = 64,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.breaker = CircuitBreaker()
        self._budget = RetryBudget()
        self._base_url = base_url
        self._faults = faults
        self._timeout = timeout
        self._share = timeout / attempts
        self._attempts = attempts
        self._record = recorder.record
        self._now = clock.now
        self._places = asyncio.Semaphore(max_concurrent)
        self._sleep, self._jitter, self._wall = sleep, jitter, wall
        self._client = httpx.AsyncClient(
            transport=transport or httpx_transport(max_connections=max_concurrent),
            headers=_HEADERS,
            timeout=httpx.Timeout(None, connect=self._share),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
            follow_redirects=False,
        )

    async def post(
        self, path: str, json_body: bytes, headers: dict[str, str], call: HopContext, read: Callable[[Reply], T]
    ) -> T:
        """Send JSON and return what `read` makes of the answer.

        `read` gets every answer but those of law 4. It raises the dependency's bad answer, which counts as a failure
        for the breaker, or an UnknownUser, which does not. Raises these, the other `faults`, or CircuitOpen.
        """
        return await self._ask(lambda: self._request("POST", path, _JSON | headers, call, json_body), call, read)

    async def get(self, path: str, headers: dict[str, str], call: HopContext, read: Callable[[Reply], T]) -> T:
        """Like `post`, without a body. An empty `path` asks for the base url to the letter."""
        return await self._ask(lambda: self._request("GET", path, headers, call, None), call, read)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    def _request(
        self, method: str, path: str, headers: dict[str, str], call: HopContext, content: bytes | None
    ) -> httpx.Request:
        if call.request_id:
            headers = {**headers, "x-request-id": call.request_id}
        url = self._base_url.rstrip("/") + path if path else self._base_url
        return self._client.build_request(method, url, headers=headers, content=content)

    async def _ask(self, request: Callable[[], httpx.Request], call: HopContext, read: Callable[[Reply], T]) -> T:
        started = self._now()
        self._budget.requested(started)
        if self.breaker.refused_for(started) > 0:
            raise self._open_circuit(started)
        cause = "no free place in time"
        try:
            async with asyncio.timeout(call.timeout) as scope, self._places:
                cause = "no answer in time"
                now = self._now()
                seconds = min(started + call.timeout - now, self._timeout)
                scope.reschedule(asyncio.get_running_loop().time() + seconds)
                return await self._permitted(_Hop(request(), call, now + seconds, scope), read)
        except TimeoutError:
            raise self._faults.timeout(cause) from None

    async def _permitted(self, hop: _Hop, read: Callable[[Reply], T]) -> T:
        now = self._now()
        permit = self.breaker.admit(now)
        if permit is None:
            raise self._open_circuit(now)
        answered = False
        try:
            answer = await self._attempts_of(hop, read)
            answered = True
            return answer
        except UnknownUser:
            answered = True
            raise
        finally:
            # A client that left or was in a hurry says nothing about the dependency, however many of them there are.
            unanswered = self.breaker.failed if hop.failed else self.breaker.cancelled
            (self.breaker.succeeded if answered else unanswered)(permit, self._now())

    async def _attempts_of(self, hop: _Hop, read: Callable[[Reply], T]) -> T:
        try:
            return await self._attempt(hop, read)
        except _Passing as passing:
            first = passing
        try:
            return await self._again(first, hop, read)
        except _Passing as last:
            raise last.refusal from None

    async def _again(self, first: _Passing, hop: _Hop, read: Callable[[Reply], T]) -> T:
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=lambda state: self._gives_up(state, hop),
            wait=self._pause,
            retry=retry_if_exception_type(_Passing),
            reraise=True,
        )
        met = [first]

        async def once_more() -> T:
            # tenacity's loop costs too much for every request: it is told about the first attempt afterwards.
            if met:
                raise met.pop()
            if self.breaker.state != "closed":  # since the pause began
                raise first
            return await self._attempt(hop, read)

        return await retrying(once_more)

    def _gives_up(self, state: RetryCallState, hop: _Hop) -> bool:
        now = self._now()
        then = now + state.upcoming_sleep
        if state.attempt_number >= self._attempts or then >= hop.ends or self.breaker.state != "closed":
            return True
        return not self._budget.take(now)

    def _pause(self, state: RetryCallState) -> float:
        pause = SHORTEST_PAUSE + self._jitter() * (LONGEST_PAUSE - SHORTEST_PAUSE)
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.refusal.retry_after if isinstance(failure, _Passing) else None
        return max(pause, asked or 0.0)

    async def _attempt(self, hop: _Hop, read: Callable[[Reply], T]) -> T:
        started = self._now()
        hop.status, hop.silent = 0, False
        error: BaseException | None = None
        try:
            return read(await self._reply(hop))
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._note(hop, started, error)

    def _note(self, hop: _Hop, started: float, error: BaseException | None) -> None:
        now = self._now()
        late = isinstance(error, asyncio.CancelledError) and hop.scope.expired()
        outcome = "timeout" if late else _outcome(hop, error)
        attempt = Attempt(self.name, started, now - started, outcome)
        hop.call.attempts.append(attempt)
        self._record(attempt)
        hop.failed |= isinstance(error, _Passing | DependencyFault) or (late and now - started >= self._share)

    async def _reply(self, hop: _Hop) -> Reply:
        try:
            response = await self._client.send(hop.request, stream=True)
            try:
                hop.status = response.status_code
                return await self._read(response)
            finally:
                await response.aclose()
        except httpx.LocalProtocolError:
            raise InternalError(f"the request to {self.name} can't be written") from None
        except httpx.HTTPError as error:
            hop.silent = isinstance(error, httpx.TimeoutException)
            raise self._translated(error) from None

    async def _read(self, response: httpx.Response) -> Reply:
        if response.status_code not in _PASSING_STATUSES:
            return Reply(response.status_code, await self._body(response))
        # Read, so that the connection can be kept: who is overloaded should not have to make new ones.
        with suppress(BadAnswer):
            await self._body(response)
        raise self._passing(response)

    async def _body(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self._faults.bad_answer("an encoded answer")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > ANSWER_LIMIT:
                raise self._faults.bad_answer("answer over 64 KiB")
        return bytes(body)

    def _passing(self, response: httpx.Response) -> _Passing:
        status = response.status_code
        fault = self._faults.overloaded if status in _OVERLOADED else self._faults.bad_answer
        wait = seconds_of(response.headers.get("retry-after", ""), self._wall())
        return _Passing(fault(f"status {status}", retry_after=wait), str(status))

    def _translated(self, error: httpx.HTTPError) -> Exception:
        kind, cause = kind_of(error)
        fault: Refusal = getattr(self._faults, kind)(cause)
        if kind == "unreachable" or isinstance(error, httpx.ConnectTimeout):
            return _Passing(fault, kind)
        return fault

    def _open_circuit(self, now: float) -> CircuitOpen:
        wait = self.breaker.refused_for(now)
        return CircuitOpen(self._faults.origin, f"{self.name} failed too often", retry_after=wait)


def _outcome(hop: _Hop, error: BaseException | None) -> str:
    if isinstance(error, _Passing):
        return error.outcome
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if hop.status >= 300:
        return str(hop.status)
    if error is None or isinstance(error, UnknownUser):
        return "ok"
    return "timeout" if hop.silent else "bad-answer" if isinstance(error, DependencyFault) else "error"
