"""When not to call: circuit breaker, retry budget, concurrency limit. Plain state machines; time is an argument.

State machine of the breaker:

    closed ──(5 failures in a row, or half of at least 20 in 10 s)──> open ──(its pause is over)──> half-open
      ^                                                                ^                               │
      └──────────────── the probe succeeds: counts are reset ──────────┼───────────────────────────────┤
                              open twice as long, `longest_pause` at most └───── the probe fails ──────┘

1. A call asks `admit` first and gets a permit, or None: then nothing may be sent.
2. Each permit is handed back exactly once: `succeeded`, `failed`, `cancelled` where the outcome is unknown, or
   `head_received` where the body of the response is still to come.
3. While half-open there is exactly one permit, the probe's. A cancelled probe frees its place at once.
4. A permit of an earlier phase changes nothing: a call that was in flight when the breaker opened tells nothing new.
5. Requests are counted, by their outcome after retries. Counted by single calls, a dependency that fails three in ten
   at random would be cut off every 600 calls (five in a row come by chance), though retries mend nearly all of it.
6. A body that breaks within ten seconds of its head makes its response a failure after all (`body_failed`), which
   counts for the half above. Five of them without a completed response in between open the circuit too. A body that
   breaks later tells nothing about new calls: a restarting backend resets all its streams at once.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from talaria.domain.errors import GatewayOverloaded

State = Literal["closed", "open", "half-open"]
Permit = int

WINDOW = 10
FAILURES_IN_A_ROW = 5
ENOUGH_CALLS = 20
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 10.0
PROBE_TAKES = 1.0

REQUESTS_PER_RETRY = 5
RETRIES_AT_LEAST = 10

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110, section 9.2.2."""
HEALED_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Of these, a request with a body too is sent once more where the upstream does not know the user."""

_COLD_SHARE = 0.8
_KEYLESS_SHARE = 0.5
_RETRY_AFTER = 1.0


def may_retry(
    method: str, request_sent: bool, body: AsyncIterator[bytes] | bytes | None, *, idempotent: bool = False
) -> bool:
    """Is it safe to send a request again that failed? The one rule, for every layer that does.

    Any request of which nothing was sent; else an idempotent one, by its method or by what its contract says
    (`idempotent`), if its body can be sent again: no body, or bytes, but never a stream.
    """
    if not request_sent:
        return True
    return (idempotent or method in IDEMPOTENT_METHODS) and (body is None or isinstance(body, bytes))


class Window:
    """Two counts over the last ten seconds, by full seconds: a count over nine seconds old may be gone."""

    __slots__ = ("_last", "_seconds")

    def __init__(self) -> None:
        self._last = [-1, 0, 0]
        self._seconds: deque[list[int]] = deque(maxlen=WINDOW)

    def add(self, now: float, all_: int = 1, some: int = 0) -> None:
        """Count at `now`, which never goes back."""
        last = self._last
        if int(now) != last[0]:
            last = self._last = [int(now), 0, 0]
            self._seconds.append(last)
        last[1] += all_
        last[2] += some

    def __len__(self) -> int:
        return len(self._seconds)

    def counts(self, now: float) -> tuple[int, int]:
        """Both, as they are at `now`."""
        recent = [second for second in self._seconds if second[0] > int(now) - WINDOW]
        return sum(second[1] for second in recent), sum(second[2] for second in recent)


class CircuitBreaker:
    """Stops calls to a dependency that fails and probes whether it is back: the state machine above.

    The end of an outage is noticed within `longest_pause` seconds. `state`, and `opened_until` (of use while open), are
    for metrics and readiness. `since`: the first failure after the last success, None where there is none; `cause`: the
    last failure's. `on_change` gets each new state.
    """

    def __init__(self, longest_pause: float = LONGEST_PAUSE) -> None:
        self._longest_pause = longest_pause
        self.state: State = "closed"
        self.opened_until = 0.0
        self.cause = ""
        self.since: float | None = None
        self.on_change: Callable[[State], None] | None = None
        self._phase = 0
        self._pause = FIRST_PAUSE
        self._failures_in_a_row = 0
        self._broken_in_a_row = 0
        self._calls = Window()

    @property
    def health(self) -> str:
        """The state in a word for operators: "ok" or "failing" while closed; "not asked yet" before any outcome."""
        if self.state != "closed":
            return self.state
        if self.since is not None:
            return "failing"
        return "ok" if self._phase or self._calls else "not asked yet"

    def refusal(self, now: float) -> str:
        """Why a call is refused now: for how long the dependency has been failing, and why it failed last."""
        return f"failing for {now - (self.since or now):.0f} s, last: {self.cause or 'unknown'}"

    def refused_for(self, now: float) -> float:
        """Seconds until a call may be tried, 0.0 where it may be tried now. Changes nothing."""
        if self.state == "closed":
            return 0.0
        if self.state == "half-open":
            return PROBE_TAKES
        return max(0.0, self.opened_until - now)

    def admit(self, now: float) -> Permit | None:
        """A permit for one call, or None."""
        if self.state != "closed":
            if self.refused_for(now) > 0:
                return None
            self._enter("half-open")
        return self._phase

    def succeeded(self, permit: Permit, now: float) -> None:
        """The call got a response that the contract allows, to its end."""
        if permit != self._phase:
            return
        self._broken_in_a_row = 0
        self.since = None
        if self.state == "half-open":
            self._close()
            return
        self._failures_in_a_row = 0
        self._calls.add(now, 1, 0)

    def head_received(self, permit: Permit, now: float) -> None:
        """The call got the head of such a response: `body_completed` or `body_failed` may follow."""
        broken = self._broken_in_a_row
        self.succeeded(permit, now)
        self._broken_in_a_row = broken

    def body_completed(self) -> None:
        """The body of such a response came to its end."""
        self._broken_in_a_row = 0

    def body_failed(self, permit: Permit, since: float, now: float, cause: str = "") -> None:
        """The body of a response broke, by the dependency's fault; its head came at `since`."""
        if permit != self._phase or now - since > WINDOW:
            return
        self._note(now, cause)
        self._broken_in_a_row += 1
        self._calls.add(now, 0, 1)
        if self._broken_in_a_row >= FAILURES_IN_A_ROW or self._half_fail(now):
            self._open(now)

    def failed(self, permit: Permit, now: float, cause: str = "") -> None:
        """The call failed by the dependency's fault."""
        if permit != self._phase:
            return
        self._note(now, cause)
        if self.state == "half-open":
            self._pause = min(2 * self._pause, self._longest_pause)
            self._open(now)
            return
        self._failures_in_a_row += 1
        self._calls.add(now, 1, 1)
        if self._failures_in_a_row >= FAILURES_IN_A_ROW or self._half_fail(now):
            self._open(now)

    def cancelled(self, permit: Permit, now: float) -> None:
        """The call was cancelled before its outcome was known."""
        if permit == self._phase and self.state == "half-open":
            self._enter("open")

    def _note(self, now: float, cause: str) -> None:
        self.cause = cause
        if self.since is None:
            self.since = now

    def _half_fail(self, now: float) -> bool:
        calls, failures = self._calls.counts(now)
        return calls >= ENOUGH_CALLS and 2 * failures >= calls

    def _open(self, now: float) -> None:
        self.opened_until = now + self._pause
        self._enter("open")

    def _close(self) -> None:
        self._calls = Window()
        self._failures_in_a_row = 0
        self._pause = FIRST_PAUSE
        self._enter("closed")

    def _enter(self, state: State) -> None:
        self.state = state
        self._phase += 1
        if self.on_change is not None:
            self.on_change(state)


class RetryBudget:
    """Bounds retries that are not answered: a fifth of the requests of the last ten seconds, but at least ten.

    A retry takes a token and gives it back once it is answered: a dependency that fails now and then gets its retries,
    one that fails altogether gets a fifth more calls at most. `on_refused` hears of each retry that may not be sent.
    `requested` counts one request, whatever its outcome, at a time that never goes back.
    """

    __slots__ = ("_on_refused", "_window", "requested")

    def __init__(self, on_refused: Callable[[], object] = lambda: None) -> None:
        self._on_refused = on_refused
        self._window = Window()
        self.requested: Callable[[float], None] = self._window.add

    def take(self, now: float) -> bool:
        """May one more retry be sent? If so, it is counted."""
        requests, retries = self._window.counts(now)
        if retries >= max(RETRIES_AT_LEAST, requests // REQUESTS_PER_RETRY):
            self._on_refused()
            return False
        self._window.add(now, 0, 1)
        return True

    def answered(self, now: float) -> None:
        """The retry that was taken last was answered: it does not count."""
        self._window.add(now, 0, -1)


class ConcurrencyLimiter:
    """Counts the requests in flight, `limit` at most. Requests that need an exchange are shed before the others, and
    those that wait for a caller's keys before these: a token that was made up does too.
    """

    def __init__(self, limit: int) -> None:
        self.in_flight = self._keyless = 0
        self.resize(limit)

    def resize(self, limit: int) -> None:
        """Take this many from now on."""
        self.limit = limit
        self._cold_limit = max(1, int(limit * _COLD_SHARE))
        self._keyless_limit = max(1, int(limit * _KEYLESS_SHARE))

    def acquire(self) -> None:
        """One request more, to be followed by `release`. Raises GatewayOverloaded at the limit."""
        if self.in_flight >= self.limit:
            raise GatewayOverloaded("server.max_in_flight", retry_after=_RETRY_AFTER)
        self.in_flight += 1

    def release(self) -> None:
        """One request fewer."""
        self.in_flight -= 1

    def shed_cold(self) -> None:
        """Raises GatewayOverloaded where the rest of the room is for requests with a cached identity."""
        if self.in_flight > self._cold_limit:
            raise GatewayOverloaded("server.max_in_flight, for a cold request", retry_after=_RETRY_AFTER)

    @contextmanager
    def waiting_for_keys(self) -> Iterator[None]:
        """While a request in flight waits for a caller's keys. Raises GatewayOverloaded where too many do."""
        if self._keyless >= self._keyless_limit:
            raise GatewayOverloaded("server.max_in_flight, for a token of unknown keys", retry_after=_RETRY_AFTER)
        self._keyless += 1
        try:
            yield
        finally:
            self._keyless -= 1
