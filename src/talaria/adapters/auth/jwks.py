"""Where a caller's keys come from: the configuration, or its key set on the network.

Rules of JwksClient:
- It fetches when first needed, and again in the background once its set is over ten minutes old or the last fetch
  failed. A token of a known key never waits for a fetch.
- An unknown `kid` is a reason to fetch again, once in thirty seconds whatever the number of tokens; until then the
  kid stays unknown. A fetch that failed told nothing of it.
- One fetch runs at a time. A request that needs it waits for that one, where `waiting` has room for it; a waiter that
  leaves does not end it.
- A failure changes no key, and a set without a usable key is one. For a second from its beginning nothing is fetched,
  nor while the circuit breaker of the dependency, for which it counts, is open.
- The last good set serves for a day while fetching fails. After that, and before the first, the keys are unavailable.
- A good document replaces the set as a whole: a key that its owner took away is gone.
- The first failure and the first fetch after it are said in a log line.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from math import inf

from talaria.adapters.auth.jwk import ALGORITHMS, BadKeySet, VerifyingKey, pick, read_key_set
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.dependency_messages import DependencyResponse
from talaria.domain.errors import KeysUnavailable, Refusal
from talaria.domain.events import HopContext
from talaria.domain.ports import Clock

FRESH_SECONDS = 600.0
KEPT_SECONDS = 24 * 3600.0
UNKNOWN_KID_SECONDS = 30.0
RETRY_AFTER = 1.0

_logger = logging.getLogger("talaria.caller_keys")


class StaticKeys:
    """The port `KeySource` on keys of the configuration.

    With `any_kid` a token's `kid` is not looked at: a PEM or a secret has no name. Raises ValueError for two nameless
    keys of one algorithm, as no token could say which of them it means.
    """

    generation = 0

    def __init__(self, keys: Sequence[VerifyingKey], *, any_kid: bool = False) -> None:
        uses = {algorithm for key in keys for algorithm in key.algorithms}
        if any_kid and any(pick(keys, None, algorithm) is None for algorithm in uses):
            raise ValueError("two keys of one algorithm without names; give a JWK set with a kid for each")
        self._keys = tuple(keys)
        self._any_kid = any_kid

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        return pick(self._keys, None if self._any_kid else kid, algorithm)


def keys_behind_url(caller: str) -> str:
    """The dependency that a caller's `jwks_url` is: its name in readiness, the failure log and the metrics."""
    return f"caller-keys:{caller}"


class JwksClient:
    """The port `KeySource` on a key set behind the url of `client`, kept as the rules above say.

    `timeout` bounds one fetch, in seconds; a key is usable where it verifies one of `algorithms`. `cause` is why the
    last fetch failed, in fixed words; empty where it did not; `since` is when that began (monotonic seconds).
    `on_fetched` gets each document that was fetched, and when. Where no usable set was fetched within the last day,
    `key_for` raises KeysUnavailable with `retry_after` in seconds. `waiting` is entered while a request waits for a
    fetch, and may refuse.
    """

    def __init__(
        self,
        client: DependencyClient,
        clock: Clock,
        timeout: float,
        algorithms: Collection[str] = ALGORITHMS,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.generation = 0
        self.cause = ""
        self.since: float | None = None
        self.on_fetched: Callable[[bytes, float], None] = lambda document, fetched_at: None
        self.client = client
        self._now = clock.now
        self._timeout = timeout
        self._algorithms = frozenset(algorithms)
        self._waiting = waiting
        self._document = b""
        self._keys: tuple[VerifyingKey, ...] = ()
        self._fetched_at = -inf
        self._asked_for_unknown_at = -inf
        self._begun_at = -inf
        self._running: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """ "ok"; "failing" where the last fetch failed and an earlier set serves; "unavailable" where none does."""
        if not self.cause:
            return "ok"
        return "failing" if self._serves() else "unavailable"

    @property
    def health(self) -> str:
        """The state, or "not asked yet"."""
        return "not asked yet" if self._begun_at == self._fetched_at == -inf else self.state

    def refused_for(self, now: float) -> float:
        """Seconds until the next fetch may begin."""
        pause = self._begun_at + RETRY_AFTER - now if self.cause else 0.0
        return max(pause, self.client.breaker.refused_for(now))

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        if not self._serves():
            return await self._first_key_for(kid, algorithm)
        key = pick(self._keys, kid, algorithm)
        if key is None:
            await self._fetch_for_unknown_kid()
            return pick(self._keys, kid, algorithm)
        if self.cause or self._age() >= FRESH_SECONDS:
            self._begin_fetch()
        return key

    def known(self) -> tuple[bytes, float] | None:
        """The document that serves, and when it was fetched (monotonic seconds)."""
        return (self._document, self._fetched_at) if self._serves() else None

    @property
    def usable(self) -> int:
        """How many keys of it can verify a token."""
        return len(self._keys)

    def adopt(self, document: bytes, fetched_at: float) -> None:
        """Take a document that another process fetched, where it is newer and has a usable key."""
        if fetched_at > self._fetched_at:
            with suppress(KeysUnavailable):
                self._replace(document, fetched_at)
                self._fetched("")

    async def aclose(self) -> None:
        """Give up a fetch that is under way, and close the connections."""
        if self._running is not None:
            self._running.cancel()
        await self.client.aclose()

    async def _first_key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        await self._wait_for(self._begin_fetch())
        if not self._serves():
            retry_after = max(self.refused_for(self._now()), RETRY_AFTER)
            raise KeysUnavailable(f"{self.client.name}: {self.cause}", retry_after=retry_after)
        key = pick(self._keys, kid, algorithm)
        if key is None:
            self._asked_for_unknown_at = self._now()
        return key

    async def _fetch_for_unknown_kid(self) -> None:
        fetch = self._running_fetch()
        if fetch is None and (self.cause or self._now() - self._asked_for_unknown_at >= UNKNOWN_KID_SECONDS):
            fetch = self._begin_fetch()
            if fetch is not None:
                self._asked_for_unknown_at = self._now()
        await self._wait_for(fetch)

    async def _wait_for(self, fetch: asyncio.Task[None] | None) -> None:
        if fetch is not None:
            with self._waiting():
                await asyncio.wait((fetch,))  # leaves the fetch alone when the waiter is cancelled

    def _serves(self) -> bool:
        return self._age() < KEPT_SECONDS

    def _age(self) -> float:
        return self._now() - self._fetched_at

    def _running_fetch(self) -> asyncio.Task[None] | None:
        return None if self._running is None or self._running.done() else self._running

    def _begin_fetch(self) -> asyncio.Task[None] | None:
        """The fetch that runs, or a new one; None while a failure is waited out."""
        running = self._running_fetch()
        if running is None and self.refused_for(self._now()) <= 0:
            self._begun_at = self._now()
            running = self._running = asyncio.create_task(self._fetch(), name=self.client.name)
        return running

    async def _fetch(self) -> None:
        try:
            await self.client.get("", {}, HopContext("", self._timeout), self._take)
        except Exception as error:
            self._fetched(error.cause if isinstance(error, Refusal) else "could not be read")
        else:
            self._fetched("")
            self.on_fetched(self._document, self._fetched_at)

    def _fetched(self, cause: str) -> None:
        before, self.cause = self.cause, cause
        if not cause:
            self.since = None
        elif self.since is None:
            self.since = self._now()
        extra = {"dependency": self.client.name, "state": self.state}
        if cause and not before:
            _logger.warning("a caller's key set can't be had", extra={**extra, "cause": cause})
        elif before and not cause:
            _logger.info("a caller's key set is had again", extra=extra)

    def _take(self, response: DependencyResponse) -> None:
        """Make the answer the set. What is raised here counts for the breaker."""
        if response.status != 200:
            raise KeysUnavailable(f"status {response.status}")
        self._replace(response.body, self._now())

    def _replace(self, document: bytes, fetched_at: float) -> None:
        if document != self._document:
            self._keys = self._usable(document)
            self._document = document
            self.generation += 1
        self._fetched_at = fetched_at

    def _usable(self, document: bytes) -> tuple[VerifyingKey, ...]:
        try:
            keys = tuple(key for key in read_key_set(document) if not key.algorithms.isdisjoint(self._algorithms))
        except BadKeySet as error:
            raise KeysUnavailable(str(error)) from None
        if not keys:
            raise KeysUnavailable("no usable key in the set")
        return keys
