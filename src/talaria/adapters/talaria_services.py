"""talaria-services: what its contract says beyond HTTP, and which requests to it are sent again.

A request of which nothing was sent goes to another url. One that is safe to repeat goes to another url, or once more
to the only one, where its connection broke and the retry budget allows it. Nothing else is sent twice.
"""

from typing import Final

from tenacity import AsyncRetrying, retry_if_exception

from talaria.adapters.balanced_upstream import Backend, BalancedUpstream, Lease
from talaria.domain.errors import DependencyFault, Unreachable
from talaria.domain.http import UpstreamRequest, UpstreamResponse
from talaria.domain.ports import Clock
from talaria.domain.resilience import RetryBudget, may_retry

UNKNOWN_USER: Final = (b"x-talaria-unknown-user", b"1")
"""With one of the statuses below: the user id is not (or no longer) known."""

_UNKNOWN_USER_STATUSES: Final = frozenset({403, 404, 410})


class TalariaServices:
    """The port `Upstream` over a balanced upstream.

    For the fast path: `lease` gives an idle connection to a url with a closed breaker, or None; `requested` counts a
    request that is sent on a lease, for which `send` may take over.
    """

    def __init__(self, upstream: BalancedUpstream, clock: Clock) -> None:
        self._upstream = upstream
        self.backends = upstream.backends
        self._now = clock.now
        self._budget = RetryBudget(upstream.refused_retry)
        self.lease = upstream.lease
        self.requested = self._budget.requested

    async def send(self, request: UpstreamRequest, lease: Lease | None = None) -> UpstreamResponse:
        started = self._now()
        if lease is None:
            self._budget.requested(started)
        tried: list[Backend] = []
        try:
            response = await self._upstream.send(request, request.timeout, tried, lease)
        except DependencyFault as fault:
            if not self._may_retry(request, started, tried, fault):
                raise
            response = await self._send_again(request, started, tried, fault)
        if response.status in _UNKNOWN_USER_STATUSES:
            response.user_unknown = UNKNOWN_USER in response.headers
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._upstream.aclose()

    async def _send_again(
        self, request: UpstreamRequest, started: float, tried: list[Backend], fault: DependencyFault
    ) -> UpstreamResponse:
        """Until a try is answered, or no other may follow."""

        def may_follow(met: BaseException) -> bool:
            nonlocal fault
            if not isinstance(met, DependencyFault):
                return False
            fault = met
            return self._may_retry(request, started, tried, met)

        async def send() -> UpstreamResponse:
            return await self._upstream.send(request, self._left(request, started), tried)

        response: UpstreamResponse = await AsyncRetrying(retry=retry_if_exception(may_follow))(send)
        if fault.request_sent:
            self._budget.answered(self._now())
        return response

    def _may_retry(
        self, request: UpstreamRequest, started: float, tried: list[Backend], fault: DependencyFault
    ) -> bool:
        """Is the request safe to send again, is time left, and is there a url to send it to?

        Where something was sent, only a broken connection is worth it, and a token of the budget is taken.
        """
        if self._left(request, started) <= 0 or not may_retry(request.method, fault.request_sent, request.body):
            return False
        if not fault.request_sent:
            return self._upstream.may_try(tried, another=True)
        broke = isinstance(fault, Unreachable)
        return broke and self._upstream.may_try(tried, another=False) and self._budget.take(self._now())

    def _left(self, request: UpstreamRequest, started: float) -> float:
        return started + request.timeout - self._now()
