"""talaria-services: one upstream behind one or several urls.

Which url: the one with the fewest requests in flight among those whose breaker is closed; equals take turns. What is
sent a second time: a request that reached nobody, by another url; a GET, HEAD or OPTIONS without a body whose
connection broke, by another url or once more by the only one, within the retry budget. Nothing else, ever.
A body that breaks is nothing that can be sent again, but its url's breaker hears of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from talaria.domain.errors import BadAnswer, CircuitOpen, DependencyFault, TimedOut, Unreachable
from talaria.domain.http import Body, UpstreamRequest, UpstreamResponse
from talaria.domain.ports import Clock, Recorder
from talaria.domain.resilience import CircuitBreaker, Permit, RetryBudget

_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})


class UpstreamOrigin(Protocol):
    """One url of an upstream: the Upstream port, and how busy it is."""

    @property
    def in_flight(self) -> int:
        """Requests that are under way or wait for a connection."""
        ...

    async def send(self, outbound: UpstreamRequest) -> UpstreamResponse:
        """As the Upstream port says; appends an attempt whose outcome is "connect" where it reached nobody."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamUrl:
    """A url with what is known of its health."""

    origin: UpstreamOrigin
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)


class TalariaServices:
    """The Upstream port over several urls. `name` is what metrics call this upstream."""

    def __init__(self, name: str, urls: Sequence[UpstreamUrl], clock: Clock, recorder: Recorder) -> None:
        self._name = name
        self._urls = list(urls)
        self._tries = 1 if len(self._urls) > 1 else 2  # of each url, for one request
        self._now = clock.now
        self._record = recorder.record
        self._budget = RetryBudget()
        self._turn = 0

    @property
    def breakers(self) -> list[CircuitBreaker]:
        """Those of the urls, in their order."""
        return [url.breaker for url in self._urls]

    async def send(self, outbound: UpstreamRequest) -> UpstreamResponse:
        """As the port says.

        Raises CircuitOpen where every url failed too often just now.
        """
        ends = self._now() + outbound.timeout
        self._budget.requested(ends - outbound.timeout)
        tried: list[UpstreamUrl] = []
        while True:
            url, permit = self._choose(tried)
            before = len(outbound.attempts)
            try:
                answer = await url.origin.send(outbound)
            except BaseException as error:
                self._failed(url, permit, outbound, error)
                self._note(outbound, before)
                if not isinstance(error, DependencyFault):
                    raise
                outbound.timeout = ends - self._now()
                tried.append(url)
                if outbound.timeout <= 0 or not self._may_go_again(tried, outbound, error):
                    raise
            else:
                if answer.complete_body is not None or _may_be_cut(outbound, answer):
                    url.breaker.succeeded(permit, self._now())
                else:
                    answer.body = _HeardBody(answer.body, url.breaker, permit, self._now)
                self._note(outbound, before)
                return answer

    async def aclose(self) -> None:
        """Close every connection of every url."""
        for url in self._urls:
            await url.origin.aclose()

    def _choose(self, tried: list[UpstreamUrl]) -> tuple[UpstreamUrl, Permit]:
        """A url that may be tried, and its breaker's permit. Raises CircuitOpen."""
        now = self._now()
        for url in self._in_order():
            if tried.count(url) < self._tries:
                permit = url.breaker.admit(now)
                if permit is not None:
                    return url, permit
        wait = min(url.breaker.refused_for(now) for url in self._urls)
        raise CircuitOpen("upstream", self._name, retry_after=wait)

    def _in_order(self) -> Sequence[UpstreamUrl]:
        if len(self._urls) == 1:
            return self._urls
        self._turn = (self._turn + 1) % len(self._urls)
        turned = self._urls[self._turn :] + self._urls[: self._turn]
        return sorted(turned, key=lambda url: url.origin.in_flight)

    def _failed(self, url: UpstreamUrl, permit: Permit, outbound: UpstreamRequest, error: BaseException) -> None:
        ours = not isinstance(error, DependencyFault) or (isinstance(error, TimedOut) and outbound.client_deadline)
        (url.breaker.cancelled if ours else url.breaker.failed)(permit, self._now())

    def _note(self, outbound: UpstreamRequest, before: int) -> None:
        """An origin may have made several attempts since there were `before`, or none."""
        for attempt in outbound.attempts[before:]:
            self._record(attempt)

    def _may_go_again(self, tried: list[UpstreamUrl], outbound: UpstreamRequest, fault: DependencyFault) -> bool:
        """Is there a url to send the request to, and is that harmless?"""
        now = self._now()
        left = [url for url in self._urls if tried.count(url) < self._tries and url.breaker.refused_for(now) == 0]
        if outbound.attempts[-1].outcome == "connect":
            return any(url not in tried for url in left)
        if not left:
            return False
        harmless = outbound.method in _HARMLESS and outbound.body is None and isinstance(fault, Unreachable)
        return harmless and self._budget.take(now)


def _may_be_cut(outbound: UpstreamRequest, answer: UpstreamResponse) -> bool:
    """Many servers refuse an upload and close with the rest of it unread, which may cost the end of their answer."""
    return outbound.body is not None and answer.status >= 400


class _HeardBody:
    """A body that is still arriving, and whose breaker hears how it ends: by itself or by the upstream's fault.

    A silence is not told: whoever reads may be the one who was slow.
    """

    __slots__ = ("_body", "_breaker", "_now", "_permit", "_since")

    def __init__(self, body: Body, breaker: CircuitBreaker, permit: Permit, now: Callable[[], float]) -> None:
        self._body = body
        self._breaker: CircuitBreaker | None = breaker
        self._now = now
        self._permit = permit
        self._since = now()
        breaker.head_received(permit, self._since)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._body.__anext__()
        except StopAsyncIteration:
            if (breaker := self._hand_back()) is not None:
                breaker.body_completed()
            raise
        except (Unreachable, BadAnswer):
            if (breaker := self._hand_back()) is not None:
                breaker.body_failed(self._permit, self._since, self._now())
            raise

    def _hand_back(self) -> CircuitBreaker | None:
        """The breaker, once."""
        breaker, self._breaker = self._breaker, None
        return breaker

    async def aclose(self) -> None:
        self._hand_back()
        await self._body.aclose()
