"""When not to call: a circuit breaker and a retry budget. Plain state machines: time is an argument, in seconds.

The law of the breaker:

    closed ──(5 failures in a row, or half of at least 20 in 10 s)──> open ──(its time is over)──> probing
      ^                                                                ^                              │
      └──────────────── the probe succeeds: all is forgotten ──────────┼──────────────────────────────┤
                                        open twice as long, 60 s at most └──── the probe fails ───────┘

1. Who wants to call asks `admit` and gets a permit, or None: then nothing may be sent.
2. Each permit is handed back exactly once: `succeeded`, `failed`, `abandoned` where nobody can know, or `begun` where
   the body of the answer is still to come.
3. While probing there is exactly one permit. An abandoned probe frees its place for the next one at once.
4. A permit of an earlier phase changes nothing: what was in flight when the breaker opened says nothing new.
5. What is counted is requests, by what came of them after their retries. Were it single calls, a dependency that fails
   three in ten at random would be cut off every 600 calls, for five in a row come by chance; and all for nothing, since
   the retries mend nearly all of it.
6. A body that breaks within ten seconds of its head makes its answer a failure after all (`broke`). It is one of the
   half of above; and five of them, with no answer between them that came to its end, open the circuit too. One that
   breaks later says nothing about new calls: who restarts over there cuts all his old streams in one moment.
"""

from collections import deque
from typing import Literal

State = Literal["closed", "open", "probing"]
Permit = int

WINDOW = 10
FAILURES_IN_A_ROW = 5
ENOUGH_CALLS = 20
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
PROBE_TAKES = 1.0

REQUESTS_PER_RETRY = 5
RETRIES_AT_LEAST = 3


class Window:
    """Two counts over the last ten seconds, by whole seconds: what is over nine seconds old may be gone."""

    __slots__ = ("_last", "_seconds")

    def __init__(self) -> None:
        self._last = [-1, 0, 0]
        self._seconds: deque[list[int]] = deque(maxlen=WINDOW)

    def add(self, now: float, all_: int, some: int) -> None:
        """Count at `now`, which never goes back."""
        last = self._last
        if int(now) != last[0]:
            last = self._last = [int(now), 0, 0]
            self._seconds.append(last)
        last[1] += all_
        last[2] += some

    def counts(self, now: float) -> tuple[int, int]:
        """Both, as they are at `now`."""
        recent = [second for second in self._seconds if second[0] > int(now) - WINDOW]
        return sum(second[1] for second in recent), sum(second[2] for second in recent)


class CircuitBreaker:
    """Stops calls to who fails, and finds out when it is back, as the law above says.

    `state`, and `opened_until` (seconds; it means something while open) are for metrics and readiness.
    """

    __slots__ = ("_broken_in_a_row", "_calls", "_failures_in_a_row", "_pause", "_phase", "opened_until", "state")

    def __init__(self) -> None:
        self.state: State = "closed"
        self.opened_until = 0.0
        self._phase = 0
        self._pause = FIRST_PAUSE
        self._failures_in_a_row = 0
        self._broken_in_a_row = 0
        self._calls = Window()

    def refused_for(self, now: float) -> float:
        """Seconds until a call may be tried, 0.0 where it may be tried now. Changes nothing."""
        if self.state == "closed":
            return 0.0
        if self.state == "probing":
            return PROBE_TAKES
        return max(0.0, self.opened_until - now)

    def admit(self, now: float) -> Permit | None:
        """A permit for one call, or None."""
        if self.refused_for(now) > 0:
            return None
        if self.state == "open":
            self._enter("probing")
        return self._phase

    def succeeded(self, permit: Permit, now: float) -> None:
        """The call got an answer that the contract allows, to its end."""
        if permit != self._phase:
            return
        self._broken_in_a_row = 0
        if self.state == "probing":
            self._close()
            return
        self._failures_in_a_row = 0
        self._calls.add(now, 1, 0)

    def begun(self, permit: Permit, now: float) -> None:
        """The call got the head of such an answer: `ended` or `broke` may follow."""
        broken = self._broken_in_a_row
        self.succeeded(permit, now)
        self._broken_in_a_row = broken

    def ended(self) -> None:
        """An answer that had begun came to its end."""
        self._broken_in_a_row = 0

    def broke(self, permit: Permit, since: float, now: float) -> None:
        """An answer that had begun at `since` did not come to its end, by the dependency's fault."""
        if permit != self._phase or now - since > WINDOW:
            return
        self._broken_in_a_row += 1
        self._calls.add(now, 0, 1)
        if self._broken_in_a_row >= FAILURES_IN_A_ROW or self._half_fail(now):
            self._open(now)

    def failed(self, permit: Permit, now: float) -> None:
        """The call failed by the dependency's fault."""
        if permit != self._phase:
            return
        if self.state == "probing":
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._open(now)
            return
        self._failures_in_a_row += 1
        self._calls.add(now, 1, 1)
        if self._failures_in_a_row >= FAILURES_IN_A_ROW or self._half_fail(now):
            self._open(now)

    def abandoned(self, permit: Permit, now: float) -> None:
        """The call was given up before anything could be known."""
        if permit == self._phase and self.state == "probing":
            self._enter("open")

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


class RetryBudget:
    """Bounds retries by what is asked anyway: a fifth of the requests of the last ten seconds, but at least three."""

    __slots__ = ("_window",)

    def __init__(self) -> None:
        self._window = Window()

    def requested(self, now: float) -> None:
        """Count one request, whatever becomes of it."""
        self._window.add(now, 1, 0)

    def take(self, now: float) -> bool:
        """May one more retry be sent? If so, it is counted."""
        requests, retries = self._window.counts(now)
        if retries >= max(RETRIES_AT_LEAST, requests // REQUESTS_PER_RETRY):
            return False
        self._window.add(now, 0, 1)
        return True
