"""How personal, partners and key sets are asked: one small client with time limits, retries, a breaker and pacing.

A hop is a question, or several that belong together (a token, then a lookup, then polls). Its rules:

1. All of it ends within `call.timeout`. From its slot on (attempts, pauses between them) it has `timeout`, no longer.
2. At most `max_concurrent` hops at once; the others wait, first in first out. That is our pacing and not the
   dependency's slowness: it takes nothing of `timeout`, or the last hop in the queue would have no time left.
3. A hop needs a permit of the breaker, which is told once how the hop ended, after its retries. A failure that a retry
   mends is none. An open breaker refuses before the hop waits for anything.
4. Another attempt follows only a failed connection, 429, 502, 503, 504 or what the question adds, and only where
   `attempts`, the retry budget, the breaker, the rate limit and the time that is left allow it. Else the hop ends at
   once with the failure that was met. A POST is sent again too: the contracts of all dependencies make theirs
   idempotent. A first attempt that the rate limit does not admit is our own load (GatewayOverloaded).
5. Connecting gets an equal share of `timeout`, so that one attempt that hangs there leaves room for the next. A
   response gets all that is left: what hangs once would hang again, and twice the load does not help.
6. A transport of httpx is asked, without its client: redirects are not followed, nor even read, cookies not kept,
   proxies of the environment not used. Responses over 64 KiB or encoded ones are not read.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Literal, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from talaria.adapters.dependency_errors import FailedAttempt, failed_attempt
from talaria.adapters.dependency_messages import (
    JSON,
    DependencyRequest,
    DependencyResponse,
    SignedRequest,
    is_encoded,
    retry_after_seconds,
)
from talaria.adapters.http1 import errors
from talaria.adapters.http1.pool import PoolState
from talaria.adapters.http1.transport import Http1Transport
from talaria.domain.errors import (
    CircuitOpen,
    DependencyFault,
    DependencyFaults,
    GatewayOverloaded,
    InternalError,
    UnknownUser,
)
from talaria.domain.events import Attempt, HopContext, RetryRefused
from talaria.domain.ports import Clock, Recorder
from talaria.domain.rate_limits import RateLimiter
from talaria.domain.resilience import CircuitBreaker, RetryBudget, may_retry

RESPONSE_LIMIT: Final = 64 * 1024
SHORTEST_PAUSE, LONGEST_PAUSE = 0.025, 0.25

_OVERLOADED: Final = frozenset({429, 503})
_TRANSIENT_STATUSES: Final = _OVERLOADED | {502, 504}
_HEADERS = {"accept": "application/json, */*;q=0.5", "accept-encoding": "identity", "user-agent": "talaria-proxy"}

T = TypeVar("T")


class _Slots(asyncio.Semaphore):
    """Places for hops. `waiting`: how many wait for one."""

    waiting = 0

    async def acquire(self) -> Literal[True]:
        self.waiting += 1
        try:
            return await super().acquire()
        finally:
            self.waiting -= 1


class Hop:
    """A hop under way: one slot, one deadline and one permit for all that is asked in it.

    `ends` is in monotonic seconds. `failed`: an attempt has, by the dependency's fault; `mended`: a retry was answered.
    An answered attempt is noted once it is known what became of its answer.
    """

    def __init__(self, client: "DependencyClient", call: HopContext, ends: float, *scopes: asyncio.Timeout) -> None:
        self.client = client
        self.call = call
        self.ends = ends
        self.failed = self.mended = False
        self.scopes = scopes
        self._answered: tuple[float, float, int] | None = None

    @property
    def expired(self) -> bool:
        """Whether its time is up, or that of the hop which it is part of."""
        return any(scope.expired() for scope in self.scopes)

    @property
    def left(self) -> float:
        """Seconds until it ends."""
        return self.ends - self.client.now()

    async def send(self, request: DependencyRequest) -> DependencyResponse:
        """The response, after as many attempts as rule 4 allows. Raises the fault that the last one met."""
        self.note_answered()
        return await self.client.retried(self, request)

    def answered(self, started: float, seconds: float, status: int) -> None:
        """An attempt was answered: what `note_answered` is to note."""
        self.note_answered()  # that of another question, which was asked meanwhile
        self._answered = started, seconds, status

    def note_answered(self, word: str = "ok", failed: bool = False) -> None:
        """Note the attempt that was answered, if any: `word` where its status is a success."""
        if self._answered is not None:
            started, seconds, status = self._answered
            self._answered = None
            self.note(started, seconds, _outcome(status, word), failed)

    def note(self, started: float, seconds: float, outcome: str, failed: bool) -> None:
        """An attempt is over: part of the request's record, and an event."""
        attempt = Attempt(self.client.name, started, seconds, outcome)
        self.call.attempts.append(attempt)
        self.client.record(attempt)
        self.failed |= failed


class DependencyClient:
    """Asks one dependency, by the rules above.

    `name` stands in attempts and events; `faults` are the dependency's. `timeout` is in seconds, `attempts` counts the
    first one too. `transport` raises Http1Errors. `sleep`, `jitter` (0 to 1) and `wall` (seconds since the epoch) are
    seams for tests.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        faults: DependencyFaults,
        *,
        timeout: float,
        attempts: int,
        recorder: Recorder,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
        max_concurrent: int = 64,
        rate_limiter: RateLimiter | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.breaker = CircuitBreaker()
        self._budget = RetryBudget(lambda: recorder.record(RetryRefused(name)))
        self._base_url = base_url
        self._faults = faults
        self._timeout = timeout
        self._share = timeout / attempts
        self._attempts = attempts
        self.record = recorder.record
        self.now = clock.now
        self._rate_limiter = rate_limiter
        self._slots = _Slots(max_concurrent)
        self._sleep, self._jitter, self._wall = sleep, jitter, wall
        self._transport = transport or Http1Transport(max_connections=max_concurrent)

    async def post(
        self,
        path: str,
        json_body: bytes,
        headers: dict[str, str],
        call: HopContext,
        read: Callable[[DependencyResponse], T],
    ) -> T:
        """Send JSON and return what `read` makes of the response.

        `read` gets every response but those of rule 4. It raises the dependency's bad answer, which counts as a failure
        for the breaker, or an UnknownUser, which does not. Raises these, the other `faults`, CircuitOpen, or
        GatewayOverloaded where this machine has no connection left, or the rate limit is used up.
        """
        return await self._ask(DependencyRequest("POST", path, JSON | headers, json_body), call, read)

    async def get(
        self, path: str, headers: dict[str, str], call: HopContext, read: Callable[[DependencyResponse], T]
    ) -> T:
        """Like `post`, without a body. An empty `path` asks for the base url to the letter."""
        return await self._ask(DependencyRequest("GET", path, headers), call, read)

    async def _ask(self, request: DependencyRequest, call: HopContext, read: Callable[[DependencyResponse], T]) -> T:
        async def ask(hop: Hop) -> T:
            return read(await hop.send(request))

        return await self.hop(call, ask)

    async def hop(self, call: HopContext, ask: Callable[[Hop], Awaitable[T]], within: Hop | None = None) -> T:
        """What `ask` makes of a hop, by rules 1 to 3; `within`: another dependency's hop that it is part of.

        What `ask` raises passes; a DependencyFault counts as a failure for the breaker, an UnknownUser as an answer.
        Raises CircuitOpen too, and the dependency's timeout.
        """
        started = self.now()
        self._budget.requested(started)
        if self.breaker.refused_for(started) > 0:
            raise self._circuit_open(started)
        cause = "no free slot in time"
        try:
            async with asyncio.timeout(call.timeout) as scope, self._slots:
                cause = "no answer in time"
                now = self.now()
                seconds = min(started + call.timeout - now, self._timeout)
                scope.reschedule(asyncio.get_running_loop().time() + seconds)
                outer = within.scopes if within else ()
                return await self._guarded(Hop(self, call, now + seconds, scope, *outer), ask)
        except TimeoutError:
            raise self._faults.timeout(cause) from None

    def pool_state(self) -> PoolState:
        """What becomes of its connections; hops that wait for a slot are waiting too."""
        transport = self._transport
        state = transport.pool_state() if isinstance(transport, Http1Transport) else PoolState()
        return state._replace(waiting=state.waiting + self._slots.waiting)

    async def follow_names(self) -> None:
        """Renew the connections to addresses that the url's name has no longer."""
        if isinstance(self._transport, Http1Transport):
            await self._transport.follow_names()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _guarded(self, hop: Hop, ask: Callable[[Hop], Awaitable[T]]) -> T:
        """What `ask` makes of the hop, with a permit of the breaker; that is told how the hop ended."""
        now = self.now()
        permit = self.breaker.admit(now)
        if permit is None:
            raise self._circuit_open(now)
        answered, cause = False, "no answer in time"
        try:
            result = await ask(hop)
            hop.note_answered()
            answered = True
            return result
        except UnknownUser:
            hop.note_answered()
            answered = True
            raise
        except DependencyFault as fault:
            cause = fault.cause
            hop.note_answered("bad-answer", failed=True)
            raise
        except (asyncio.CancelledError, TimeoutError) as error:
            late = hop.expired or isinstance(error, TimeoutError)
            hop.note_answered("timeout" if late else "ok", failed=late)
            raise
        finally:
            hop.note_answered("error")
            now = self.now()
            if answered and hop.mended:
                self._budget.answered(now)
            # A client that left or was in a hurry tells nothing about the dependency, however many of them there are.
            if answered:
                self.breaker.succeeded(permit, now)
            elif hop.failed:
                self.breaker.failed(permit, now, cause)
            else:
                self.breaker.cancelled(permit, now)

    async def retried(self, hop: Hop, request: DependencyRequest) -> DependencyResponse:
        """`Hop.send` by rule 4."""
        if wait := self._limited_for(self.now()):
            raise GatewayOverloaded(f"partners.{self.name}.rate_limit", retry_after=wait)
        met: FailedAttempt | None = None

        async def attempt() -> DependencyResponse:
            nonlocal met
            if met is not None and self.breaker.state != "closed":  # since the pause began
                raise met
            try:
                return await self._attempt(hop, request)
            except FailedAttempt as failure:
                met = failure
                raise

        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=partial(self._should_stop, hop),
            wait=lambda _: self._pause(met),
            retry=retry_if_exception(lambda error: isinstance(error, FailedAttempt) and error.transient),
            reraise=True,
        )
        try:
            response: DependencyResponse = await retrying(attempt)
        except FailedAttempt as failure:
            raise failure.fault from None
        hop.mended |= met is not None
        return response

    def _built(self, request: DependencyRequest, call: HopContext) -> httpx.Request:
        headers = httpx.Headers(_HEADERS)
        headers.update(request.headers)
        if call.request_id:
            headers["x-request-id"] = call.request_id
        url = self._base_url.rstrip("/") + request.target if request.target else self._base_url
        extensions = {"timeout": httpx.Timeout(None, connect=self._share).as_dict()}
        built = httpx.Request(request.method, url, headers=headers, content=request.body, extensions=extensions)
        if request.sign is not None:
            target, body = built.url.raw_path.decode("ascii"), request.body or b""
            unsigned = SignedRequest(request.method, built.headers["host"], target, built.headers, body)
            built.headers.update(request.sign(unsigned))
        return built

    def _should_stop(self, hop: Hop, state: RetryCallState) -> bool:
        now = self.now()
        next_at = now + state.upcoming_sleep
        if state.attempt_number >= self._attempts or next_at >= hop.ends or self.breaker.state != "closed":
            return True
        return not self._budget.take(now) or self._limited_for(now) > 0

    def _limited_for(self, now: float) -> float:
        """Counts one call and gives 0.0, or gives the seconds until the rate limit admits one."""
        return 0.0 if self._rate_limiter is None else self._rate_limiter.take(self.name, now)

    def _pause(self, met: FailedAttempt | None) -> float:
        pause = SHORTEST_PAUSE + self._jitter() * (LONGEST_PAUSE - SHORTEST_PAUSE)
        asked = met.fault.retry_after if met is not None else None
        return max(pause, asked or 0.0)

    async def _attempt(self, hop: Hop, request: DependencyRequest) -> DependencyResponse:
        """One request and its response, or the failure of either; and its event."""
        started = self.now()
        outcome, failed = "error", False
        try:
            response = await self._send(request, hop.call)
            outcome = ""
            hop.answered(started, self.now() - started, response.status)
            return response
        except FailedAttempt as failure:
            outcome, failed = failure.outcome, True
            raise
        except asyncio.CancelledError:
            late = hop.expired
            outcome, failed = "timeout" if late else "cancelled", late and self.now() - started >= self._share
            raise
        finally:
            if outcome:
                hop.note(started, self.now() - started, outcome, failed)

    async def _send(self, request: DependencyRequest, call: HopContext) -> DependencyResponse:
        """The whole response. Raises FailedAttempt, also for a status that may pass."""
        try:
            response = await self._transport.handle_async_request(self._built(request, call))
            try:
                return await self._read(response, request)
            finally:
                await response.aclose()
        except errors.PoolExhausted as error:
            raise GatewayOverloaded(str(error), retry_after=1.0) from None
        except errors.LocalProtocolError:
            raise InternalError(f"the request to {self.name} can't be written") from None
        except errors.Http1Error as error:
            again = may_retry(request.method, error.request_sent, request.body, idempotent=True)
            raise failed_attempt(error, self._faults, may_retry=again) from None

    async def _read(self, response: httpx.Response, request: DependencyRequest) -> DependencyResponse:
        status = response.status_code
        violation = ""
        body = bytearray()
        if is_encoded(response.headers.get("content-encoding", "")):
            violation = "an encoded answer"
        else:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > RESPONSE_LIMIT:
                    violation = "answer over 64 KiB"
                    break
        found = DependencyResponse(status, bytes(body), response.headers, self._faults.bad_answer)
        if status in _TRANSIENT_STATUSES or (not violation and request.asks_again(found)):
            # The body was read so that the connection can be kept.
            fault = self._faults.overloaded if status in _OVERLOADED else self._faults.bad_answer
            wait = retry_after_seconds(response.headers.get("retry-after", ""), self._wall())
            raise FailedAttempt(fault(f"status {status}", retry_after=wait), str(status), transient=True)
        if violation:
            raise FailedAttempt(self._faults.bad_answer(violation), _outcome(status, "bad-answer"))
        return found

    def _circuit_open(self, now: float) -> CircuitOpen:
        wait = self.breaker.refused_for(now)
        return CircuitOpen(self._faults.origin, f"{self.name}: {self.breaker.refusal(now)}", retry_after=wait)


def _outcome(status: int, word: str = "ok") -> str:
    """The word of an attempt: the status where that is no success, else `word`."""
    return str(status) if status >= 300 else word
