"""Where a caller's keys come from: the configuration, or its key set on the network.

The law of RemoteKeySet:
- It fetches when first needed, and again in the background once what it has is over ten minutes old. A token whose
  key is known never waits for a fetch.
- An unknown `kid` is a reason to fetch again, once in thirty seconds whatever the number of tokens; until then the
  kid stays unknown.
- One fetch runs at a time. Whoever needs it waits for that one; a waiter that leaves does not end it.
- A failure changes no key. It is waited out: one second from the beginning of the fetch that failed, doubled each time
  up to thirty, without any fetch. So a fetch that hangs costs no more than its own time.
- The last good set serves for a day while fetching fails. After that, and before the first, the keys are unavailable.
- A good document replaces the set as a whole, an empty one too: a key that its owner took away is gone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import inf

from talaria.adapters.auth.jwk import BadKeySet, VerifyingKey, pick, read_key_set
from talaria.domain.errors import CircuitOpen, KeysUnavailable, Refusal, TimedOut, Unreachable
from talaria.domain.events import Attempt
from talaria.domain.ports import Recorder

FRESH_SECONDS = 600.0
KEPT_SECONDS = 24 * 3600.0
UNKNOWN_KID_SECONDS = 30.0
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 30.0


class StaticKeys:
    """Keys of the configuration. With `any_kid` a token's `kid` is not looked at: a PEM or a secret has no name.

    Raises ValueError for two nameless keys of one algorithm, as no token could say which of them it means.
    """

    generation = 0

    def __init__(self, keys: Sequence[VerifyingKey], *, any_kid: bool = False) -> None:
        uses = [algorithm for key in keys for algorithm in key.algorithms]
        if any_kid and len(set(uses)) != len(uses):
            raise ValueError("two keys of one algorithm without names; give a JWK set with a kid for each")
        self._keys = tuple(keys)
        self._any_kid = any_kid

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The one key that fits, or None."""
        return pick(self._keys, None if self._any_kid else kid, algorithm)


def keys_behind_url(caller: str) -> str:
    """The dependency that a caller's `jwks_url` is: its name in readiness, the ledger and the metrics."""
    return f"caller-keys:{caller}"


class RemoteKeySet:
    """A caller's key set behind a URL, kept as the law above says.

    `fetch` returns the document; whatever it raises counts as a failure, as does taking longer than `timeout`
    seconds. `now` is monotonic seconds. Each fetch is recorded as the dependency `caller-keys:<caller>`.
    """

    def __init__(
        self,
        caller: str,
        fetch: Callable[[], Awaitable[bytes]],
        now: Callable[[], float],
        recorder: Recorder | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.generation = 0
        self._dependency = keys_behind_url(caller)
        self._fetch = fetch
        self._now = now
        self._recorder = recorder
        self._timeout = timeout
        self._document: bytes | None = None
        self._keys: tuple[VerifyingKey, ...] = ()
        self._fetched_at = -inf
        self._asked_for_unknown_at = -inf
        self._backoff = 0.0
        self._why = "not fetched in time"
        self._retry_at = -inf
        self._running: asyncio.Task[None] | None = None

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The one key that fits, or None.

        Raises KeysUnavailable, with `retry_after` in seconds, where no set was fetched within the last day.
        """
        if self._age() >= KEPT_SECONDS:
            return await self._first_key_for(kid, algorithm)
        key = pick(self._keys, kid, algorithm)
        if key is None:
            return await self._unknown_key_for(kid, algorithm)
        if self._age() >= FRESH_SECONDS:
            self._begin_fetch()
        return key

    @property
    def state(self) -> str:
        """ "ok"; "failing" where the last fetch failed and the set of before serves; "unavailable" where none does."""
        if not self._backoff:
            return "ok"
        return "failing" if self._age() < KEPT_SECONDS else "unavailable"

    async def aclose(self) -> None:
        """Give up a fetch that is under way."""
        if self._running is not None:
            self._running.cancel()

    async def _first_key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        await self._wait_for(self._begin_fetch())
        if self._age() >= KEPT_SECONDS:
            why = f"{self._dependency}: {self._why}"
            raise KeysUnavailable(why, retry_after=max(self._retry_at - self._now(), FIRST_BACKOFF))
        key = pick(self._keys, kid, algorithm)
        if key is None:
            self._asked_for_unknown_at = self._now()
        return key

    async def _unknown_key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        running = self._running_fetch()
        if running is None and self._now() - self._asked_for_unknown_at >= UNKNOWN_KID_SECONDS:
            running = self._begin_fetch()
            if running is not None:
                self._asked_for_unknown_at = self._now()
        await self._wait_for(running)
        return pick(self._keys, kid, algorithm)

    def _age(self) -> float:
        return self._now() - self._fetched_at

    def _running_fetch(self) -> asyncio.Task[None] | None:
        return None if self._running is None or self._running.done() else self._running

    def _begin_fetch(self) -> asyncio.Task[None] | None:
        """The fetch that runs, or a new one; None while a failure is waited out."""
        running = self._running_fetch()
        if running is None and self._now() >= self._retry_at:
            running = self._running = asyncio.create_task(self._fetch_once(), name=self._dependency)
        return running

    @staticmethod
    async def _wait_for(fetch: asyncio.Task[None] | None) -> None:
        if fetch is not None:
            # wait() leaves the fetch alone when the waiter is cancelled.
            await asyncio.wait((fetch,))

    async def _fetch_once(self) -> None:
        started = self._now()
        try:
            async with asyncio.timeout(self._timeout):
                document = await self._fetch()
            self._take(document)
        except Exception as error:
            self._wait_out_failure(started)
            self._why = _cause(error) or self._why
            outcome = _outcome(error)
        else:
            outcome = "ok"
        if self._recorder is not None:
            self._recorder.record(Attempt(self._dependency, started, self._now() - started, outcome))

    def _take(self, document: bytes) -> None:
        if document != self._document:
            self._keys = read_key_set(document)
            self._document = document
            self.generation += 1
        self._fetched_at = self._now()
        self._backoff, self._retry_at = 0.0, -inf

    def _wait_out_failure(self, started: float) -> None:
        self._backoff = min(max(self._backoff * 2, FIRST_BACKOFF), LONGEST_BACKOFF)
        self._retry_at = started + self._backoff


def _cause(error: Exception) -> str:
    """What was wrong, in the words of who fetched. Empty: an open circuit, which says nothing of what opened it."""
    match error:
        case CircuitOpen():
            return ""
        case Refusal():
            return error.cause
        case BadKeySet():
            return str(error)
        case TimeoutError():
            return "no answer in time"
    return "could not be fetched"


def _outcome(error: Exception) -> str:
    """The failure in one word of a short list: it becomes a metric's label."""
    match error:
        case BadKeySet():
            return "bad-answer"
        case TimedOut() | TimeoutError():
            return "timeout"
        case Unreachable() | OSError():
            return "unreachable"
    return "failed"
