"""Another adapter of a partner on trial, beside the one that serves.

Rules:

1. A canary answers in its place for a share of the persons: always the same ones, and more of them with a larger share.
2. A shadow is asked too, for a share of what the serving adapter answered, a "no such user" as well. It is asked
   HEAD_START after the answer, which is on its way by then, and nothing waits for it. What it says is compared and
   recorded, and never kept.
3. Each has a client of its own: budget, breaker and pacing. At most `at_once` shadows are asked at a time; an answer
   beyond them, or beyond the rate limit, is not compared.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from talaria.domain.errors import GatewayOverloaded, Refusal, UnknownUser
from talaria.domain.events import HopContext, ShadowAnswered, ShadowResult
from talaria.domain.model import Identity, PartnerUserId
from talaria.domain.ports import PartnerAccounts, Recorder

HEAD_START = 0.05
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An adapter on trial: its name, its accounts, and how much it gets, from 0 to 1."""

    adapter: str
    accounts: PartnerAccounts
    share: float


class AccountsOnTrial:
    """The port `PartnerAccounts`, by the rules above. `timeout` is a shadow's, in seconds; `draw` gives 0 to 1."""

    def __init__(
        self,
        partner: str,
        accounts: PartnerAccounts,
        recorder: Recorder,
        draw: Callable[[], float],
        *,
        canary: Trial | None = None,
        shadow: Trial | None = None,
        timeout: float = 2.0,
        at_once: int = 64,
        head_start: float = HEAD_START,
    ) -> None:
        self._partner = partner
        self._accounts = accounts
        self._record = recorder.record
        self._draw = draw
        self._canary, self._shadow = canary, shadow
        self._timeout = timeout
        self._at_once = at_once
        self._head_start = head_start
        self._asked: set[asyncio.Task[None]] = set()

    async def user_of(self, identity: Identity, call: HopContext) -> PartnerUserId:
        if self._canary is not None and call.draw < self._canary.share:
            return await self._canary.accounts.user_of(identity, call)
        try:
            user_id = await self._accounts.user_of(identity, call)
        except UnknownUser as refusal:
            self._ask_shadow(identity, call, type(refusal))
            raise
        self._ask_shadow(identity, call, user_id)
        return user_id

    async def aclose(self) -> None:
        """Give up the shadows that are asked now."""
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)

    def _ask_shadow(self, identity: Identity, call: HopContext, answer: PartnerUserId | type[UnknownUser]) -> None:
        shadow = self._shadow
        if shadow is not None and len(self._asked) < self._at_once and self._draw() < shadow.share:
            task = asyncio.create_task(self._compare(shadow, identity, call, answer))
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

    async def _compare(
        self,
        shadow: Trial,
        identity: Identity,
        call: HopContext,
        answer: PartnerUserId | type[UnknownUser],
    ) -> None:
        result: ShadowResult
        await asyncio.sleep(self._head_start)
        try:
            theirs = await shadow.accounts.user_of(identity, HopContext(call.request_id, self._timeout))
            result = "same" if theirs == answer else "other"
        except UnknownUser as refusal:
            result = "same" if type(refusal) is answer else "unknown"
        except GatewayOverloaded:
            return
        except Refusal:
            result = "failed"
        self._record(ShadowAnswered(self._partner, shadow.adapter, result, call.person, call.request_id))
