"""How personal, partners and key sets are asked: one small client with time limits, retries, a breaker and pacing.

Rules of a hop:

1. All of it ends within `call.timeout`. From its slot on (attempts, pauses between them) it has `timeout`, no longer.
2. At most `max_concurrent` hops at once; the others wait, first in first out. That is our pacing and not the
   dependency's slowness: it takes nothing of `timeout`, or the last hop in the queue would have no time left.
3. A hop needs a permit of the breaker, which is told once how the hop ended, after its retries. A failure that a retry
   mends is none. An open breaker refuses before the hop waits for anything.
4. Another attempt follows only a failed connection or 429, 502, 503, 504, and only where `attempts`, the retry budget,
   the breaker, the rate limit and the time that is left allow it. Else the hop ends at once with the failure that was
   met. A POST is sent again too: the contracts of all dependencies make theirs idempotent. A first attempt that the
   rate limit does not admit is our own load (GatewayOverloaded).
5. Connecting gets an equal share of `timeout`, so that one attempt that hangs there leaves room for the next. A
   response gets all that is left: what hangs once would hang again, and twice the load does not help.
6. Redirects are not followed, cookies not kept, proxies of the environment not used, responses over 64 KiB or encoded
   ones not read.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Literal, TypeVar

import httpx
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from talaria.adapters.http1.errors import (
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    Http1Error,
    LocalProtocolError,
    PoolExhausted,
    ReadTimeout,
    RemoteProtocolError,
    WriteTimeout,
)
from talaria.adapters.http1.transport import Http1Transport
from talaria.domain.errors import (
    CircuitOpen,
    DependencyFault,
    DependencyFaults,
    GatewayOverloaded,
    InternalError,
    Refusal,
    UnknownUser,
)
from talaria.domain.events import Attempt, HopContext
from talaria.domain.ports import Clock, Recorder
from talaria.domain.rate_limits import RateLimiter
from talaria.domain.resilience import CircuitBreaker, RetryBudget, may_retry

RESPONSE_LIMIT: Final = 64 * 1024
SHORTEST_PAUSE, LONGEST_PAUSE = 0.025, 0.25
LONGEST_RETRY_AFTER: Final = 86_400.0

_OVERLOADED: Final = frozenset({429, 503})
_TRANSIENT_STATUSES: Final = _OVERLOADED | {502, 504}
_HEADERS = {"accept": "application/json, */*;q=0.5", "accept-encoding": "identity", "user-agent": "talaria-proxy"}
_JSON = {"content-type": "application/json"}

_ErrorKind = Literal["unreachable", "bad_answer", "timeout"]
_KINDS: Final[tuple[tuple[type[Http1Error], _ErrorKind, bool], ...]] = (
    (ConnectError, "unreachable", True),
    (ConnectTimeout, "timeout", True),
    (ConnectionClosed, "unreachable", True),
    (RemoteProtocolError, "bad_answer", False),
    (ReadTimeout, "timeout", False),
    (WriteTimeout, "timeout", False),
)
"""What an error of the client is among `DependencyFaults`, and whether it may be gone at the next attempt."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DependencyResponse:
    """A response, all of it. Its repr shows no body: a body can hold a phone number."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"<DependencyResponse {self.status}>"

    def json(self, shape: type[T], bad_answer: Callable[[str], DependencyFault]) -> T:
        """The body as a `shape` of msgspec; fields that the shape does not name are ignored.

        Raises `bad_answer` where it is no JSON, or not of this shape, or where a success names something twice: two
        programs could take it for two persons. msgspec's own text can quote the body: it is cut.
        """
        try:
            found = msgspec.json.decode(self.body, type=shape)
            if self.status < 300:
                json.loads(self.body, object_pairs_hook=_check_unique)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise bad_answer(f"status {self.status} without the JSON of the contract") from None
        return found


def _check_unique(pairs: list[tuple[str, object]]) -> None:
    """Called for each object of a document; RFC 8259, section 4: names should be unique, or readers differ."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice in one object")


def retry_after_seconds(value: str, wall: float) -> float | None:
    """A `Retry-After` in seconds from now (RFC 9110, 10.2.3), at most a day; None where it is absent or malformed."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - wall
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


class _Failed(Exception):
    """An attempt failed by the dependency's fault. `outcome` is for the attempt's event."""

    def __init__(self, fault: Refusal, outcome: str, *, transient: bool = False) -> None:
        super().__init__(outcome)
        self.fault = fault
        self.outcome = outcome
        self.transient = transient


@dataclass(slots=True)
class _Hop:
    """One question on its way, and what bounds it. `failed`: an attempt has; `met`: the last one's failure."""

    request: httpx.Request
    call: HopContext
    ends: float
    scope: asyncio.Timeout
    failed: bool = False
    met: _Failed | None = None


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
        self._budget = RetryBudget()
        self._base_url = base_url
        self._faults = faults
        self._timeout = timeout
        self._share = timeout / attempts
        self._attempts = attempts
        self._record = recorder.record
        self._now = clock.now
        self._rate_limiter = rate_limiter
        self._slots = asyncio.Semaphore(max_concurrent)
        self._sleep, self._jitter, self._wall = sleep, jitter, wall
        self._transport = transport or Http1Transport(max_connections=max_concurrent)
        self._client = httpx.AsyncClient(
            transport=self._transport,
            headers=_HEADERS,
            timeout=httpx.Timeout(None, connect=self._share),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
            follow_redirects=False,
        )

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
        return await self._ask(partial(self._request, "POST", path, _JSON | headers, call, json_body), call, read)

    async def get(
        self, path: str, headers: dict[str, str], call: HopContext, read: Callable[[DependencyResponse], T]
    ) -> T:
        """Like `post`, without a body. An empty `path` asks for the base url to the letter."""
        return await self._ask(partial(self._request, "GET", path, headers, call, None), call, read)

    async def follow_names(self) -> None:
        """Renew the connections to addresses that the url's name has no longer."""
        if isinstance(self._transport, Http1Transport):
            await self._transport.follow_names()

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

    async def _ask(
        self, request: Callable[[], httpx.Request], call: HopContext, read: Callable[[DependencyResponse], T]
    ) -> T:
        """Rules 1 to 3, up to the permit."""
        started = self._now()
        self._budget.requested(started)
        if self.breaker.refused_for(started) > 0:
            raise self._circuit_open(started)
        cause = "no free slot in time"
        try:
            async with asyncio.timeout(call.timeout) as scope, self._slots:
                cause = "no answer in time"
                now = self._now()
                seconds = min(started + call.timeout - now, self._timeout)
                scope.reschedule(asyncio.get_running_loop().time() + seconds)
                return await self._guarded(_Hop(request(), call, now + seconds, scope), read)
        except TimeoutError:
            raise self._faults.timeout(cause) from None

    async def _guarded(self, hop: _Hop, read: Callable[[DependencyResponse], T]) -> T:
        """With a permit: the attempts, and word to the breaker."""
        now = self._now()
        if wait := self._limited_for(now):
            raise GatewayOverloaded(f"partners.{self.name}.rate_limit", retry_after=wait)
        permit = self.breaker.admit(now)
        if permit is None:
            raise self._circuit_open(now)
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=partial(self._should_stop, hop),
            wait=self._pause,
            retry=retry_if_exception(lambda error: isinstance(error, _Failed) and error.transient),
            reraise=True,
        )
        answered = False
        try:
            result: T = await retrying(self._attempt, hop, read)
            answered = True
            return result
        except UnknownUser:
            answered = True
            raise
        except _Failed as failure:
            raise failure.fault from None
        finally:
            now = self._now()
            if answered and hop.met is not None:
                self._budget.answered(now)
            # A client that left or was in a hurry tells nothing about the dependency, however many of them there are.
            unanswered = self.breaker.failed if hop.failed else self.breaker.cancelled
            (self.breaker.succeeded if answered else unanswered)(permit, now)

    def _should_stop(self, hop: _Hop, state: RetryCallState) -> bool:
        now = self._now()
        next_at = now + state.upcoming_sleep
        if state.attempt_number >= self._attempts or next_at >= hop.ends or self.breaker.state != "closed":
            return True
        return not self._budget.take(now) or self._limited_for(now) > 0

    def _limited_for(self, now: float) -> float:
        """Counts one call and gives 0.0, or gives the seconds until the rate limit admits one."""
        return 0.0 if self._rate_limiter is None else self._rate_limiter.take(self.name, now)

    def _pause(self, state: RetryCallState) -> float:
        pause = SHORTEST_PAUSE + self._jitter() * (LONGEST_PAUSE - SHORTEST_PAUSE)
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.fault.retry_after if isinstance(failure, _Failed) else None
        return max(pause, asked or 0.0)

    async def _attempt(self, hop: _Hop, read: Callable[[DependencyResponse], T]) -> T:
        """One request, its response read and understood, or the failure of both; and its event."""
        if hop.met is not None and self.breaker.state != "closed":  # since the pause began
            raise hop.met
        started = self._now()
        status, outcome, failed = 0, "error", False
        try:
            response = await self._send(hop.request)
            status = response.status
            outcome = _outcome(status, "error")
            result = read(response)
            outcome = _outcome(status)
            return result
        except _Failed as failure:
            outcome, failed, hop.met = failure.outcome, True, failure
            raise
        except UnknownUser:
            outcome = _outcome(status)
            raise
        except DependencyFault:
            outcome, failed = _outcome(status, "bad-answer"), True
            raise
        except asyncio.CancelledError:
            late = hop.scope.expired()
            outcome, failed = "timeout" if late else "cancelled", late and self._now() - started >= self._share
            raise
        finally:
            attempt = Attempt(self.name, started, self._now() - started, outcome)
            hop.call.attempts.append(attempt)
            self._record(attempt)
            hop.failed |= failed

    async def _send(self, request: httpx.Request) -> DependencyResponse:
        """The whole response. Raises _Failed, also for a status that may pass."""
        try:
            response = await self._client.send(request, stream=True)
            try:
                return await self._read(response)
            finally:
                await response.aclose()
        except PoolExhausted as error:
            raise GatewayOverloaded(str(error), retry_after=1.0) from None
        except LocalProtocolError:
            raise InternalError(f"the request to {self.name} can't be written") from None
        except Http1Error as error:
            raise self._translated(error, request) from None

    async def _read(self, response: httpx.Response) -> DependencyResponse:
        status = response.status_code
        violation = ""
        body = bytearray()
        if any(coding.strip().lower() not in ("", "identity") for coding in _codings(response)):
            violation = "an encoded answer"
        else:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > RESPONSE_LIMIT:
                    violation = "answer over 64 KiB"
                    break
        if status in _TRANSIENT_STATUSES:  # the body was read so that the connection can be kept
            fault = self._faults.overloaded if status in _OVERLOADED else self._faults.bad_answer
            wait = retry_after_seconds(response.headers.get("retry-after", ""), self._wall())
            raise _Failed(fault(f"status {status}", retry_after=wait), str(status), transient=True)
        if violation:
            raise _Failed(self._faults.bad_answer(violation), _outcome(status, "bad-answer"))
        return DependencyResponse(status, bytes(body))

    def _translated(self, error: Http1Error, request: httpx.Request) -> Exception:
        kind, transient = next((kind, transient) for type_, kind, transient in _KINDS if isinstance(error, type_))
        fault: Refusal = getattr(self._faults, kind)(str(error))
        again = transient and may_retry(request.method, error.request_sent, request.content, idempotent=True)
        return _Failed(fault, kind.replace("_", "-"), transient=again)

    def _circuit_open(self, now: float) -> CircuitOpen:
        wait = self.breaker.refused_for(now)
        return CircuitOpen(self._faults.origin, f"{self.name} failed too often", retry_after=wait)


def _codings(response: httpx.Response) -> list[str]:
    value: str = response.headers.get("content-encoding", "")
    return value.split(",")


def _outcome(status: int, word: str = "ok") -> str:
    """The word of an attempt: the status where that is no success, else `word`."""
    return str(status) if status >= 300 else word
