"""A token that opens a partner's API for a while.

Rules:

1. A token serves until 90 % of its life, counted from before it was asked for, are over.
2. One fetch at a time; what waits for it takes its token. A fetch that fails is tried by the next in line, within its
   own deadline.
3. After a 401 the token that was sent is dropped, unless another has replaced it, and one more try follows.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from talaria.adapters.dependency_messages import DependencyResponse, Sign
from talaria.domain.errors import PartnerBadAnswer
from talaria.domain.events import HopContext

LIFE_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a fetch brings: the token, never printed, and how long it is good, in seconds.

    Raises PartnerBadAnswer for one that no header can carry (RFC 6749, appendix A.12).
    """

    value: str = field(repr=False)
    expires_in: float

    def __post_init__(self) -> None:
        if not (self.value and self.value.isascii() and self.value.isprintable()):
            raise PartnerBadAnswer("a token that no header can carry")


Fetch = Callable[[HopContext], Awaitable[AccessToken]]


class TokenCache:
    """Kept by the rules above. As `sign` of a question it adds `authorization: Bearer ...`."""

    def __init__(self, fetch: Fetch, now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now = now
        self._lock = asyncio.Lock()
        self._kept: AccessToken | None = None
        self._until = 0.0

    async def send(self, call: HopContext, send: Callable[[Sign], Awaitable[DependencyResponse]]) -> DependencyResponse:
        """What `send` brings with a token; after a 401, with another."""
        token = await self._token(call)
        response = await send(_bearer(token))
        if response.status != 401:
            return response
        if self._kept is token:
            self._kept = None
        return await send(_bearer(await self._token(call)))

    async def _token(self, call: HopContext) -> AccessToken:
        if self._kept is not None and self._now() < self._until:
            return self._kept
        async with self._lock:
            if self._kept is None or self._now() >= self._until:
                asked_at = self._now()
                self._kept = await self._fetch(call)
                self._until = asked_at + LIFE_SHARE * self._kept.expires_in
            return self._kept


def _bearer(token: AccessToken) -> Sign:
    return lambda _: {"authorization": f"Bearer {token.value}"}
