"""talaria-services: what is its contract beyond HTTP (docs: what talaria-services receives), and what is sent again.

A request of which nothing was sent goes to another url. A request that is safe to repeat and whose connection broke
goes to another url, or once more to the only one, within the retry budget. Nothing else is sent twice.
"""

from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from talaria.adapters.balanced_upstream import Backend, BalancedUpstream
from talaria.domain.errors import DependencyFault, Unreachable
from talaria.domain.model import Answer, Headers, Outbound
from talaria.domain.ports import Clock
from talaria.domain.resilience import RetryBudget, may_retry

_UNKNOWN_USER: Final = (b"x-talaria-unknown-user", b"1")
_UNKNOWN_USER_STATUSES: Final = frozenset({403, 404, 410})


class TalariaServices:
    """The port `Upstream` over a balanced upstream."""

    def __init__(self, upstream: BalancedUpstream, clock: Clock) -> None:
        self._upstream = upstream
        self._now = clock.now
        self._budget = RetryBudget()

    async def send(self, outbound: Outbound) -> Answer:
        now = self._now()
        self._budget.requested(now)
        tried: list[Backend] = []
        try:
            response = await self._upstream.send(outbound, outbound.timeout, tried)
        except DependencyFault as fault:
            if not self._may_retry(outbound, tried, fault):
                raise
            response = await self._send_again(outbound, now + outbound.timeout, tried)
        if response.status in _UNKNOWN_USER_STATUSES:
            response.user_unknown = _UNKNOWN_USER in response.headers
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._upstream.aclose()

    async def _send_again(self, outbound: Outbound, deadline: float, tried: list[Backend]) -> Answer:
        ...
