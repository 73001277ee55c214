"""An adapter as the port that the exchange knows: one hop for each question, one border for its errors."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from talaria.adapters.partner_kit.http import PartnerCall, PartnerHttp
from talaria.domain.errors import DependencyFault, GatewayOverloaded, InternalError, PartnerBadAnswer, UnknownUser
from talaria.domain.events import HopContext
from talaria.domain.model import Identity, PartnerUserId, PhoneNumber

T = TypeVar("T")


class PartnerAdapter(Protocol):
    """What a partner's adapter has, beside `contract = 1`, which is looked at when it is found.

    `Options`, `api_key_required`, `hops`, `probe(call)` and `aclose()` are optional.
    """

    async def user_of(self, identity: Any, call: HopContext, /) -> PartnerUserId:
        """The partner's user: `identity` is a PhoneNumber, or what `hops` ask personal for.

        Raises PartnerUserUnknown, PartnerUserRefused or PartnerBadAnswer.
        """


class AdapterAccounts:
    """The port `PartnerAccounts`. All that an adapter asks in one `user_of` is one hop of `http`.

    What it raises and may not is a bad answer, with the exception's type and place: its text could quote a person.
    """

    def __init__(self, adapter: PartnerAdapter, http: PartnerHttp) -> None:
        self.adapter = adapter
        self._http = http

    async def user_of(self, identity: Identity, call: HopContext) -> PartnerUserId:
        async def ask(whole: PartnerCall) -> PartnerUserId:
            user_id = await self.adapter.user_of(identity, whole)
            if not isinstance(user_id, PartnerUserId):
                raise PartnerBadAnswer(f"the adapter gave a {type(user_id).__name__}, not a user id")
            asked, given = identity.reveal(), user_id.reveal()
            if given in (asked, asked.removeprefix("+")) or PhoneNumber.parse(given) is not None:
                raise PartnerBadAnswer("the user id is what the partner was asked with, or a phone number")
            return user_id

        return await self._ask(call, ask)

    async def probe(self, call: HopContext) -> bool:
        """Ask what changes nothing, and raise what `user_of` raises; False where the adapter has no probe."""
        probe: Callable[[PartnerCall], Awaitable[object]] | None = getattr(self.adapter, "probe", None)
        if probe is not None:
            await self._ask(call, probe)
        return probe is not None

    async def aclose(self) -> None:
        """Close what the adapter has opened itself."""
        aclose = getattr(self.adapter, "aclose", None)
        if aclose is not None:
            await aclose()

    async def _ask(self, call: HopContext, ask: Callable[[PartnerCall], Awaitable[T]]) -> T:
        async def guarded(whole: PartnerCall) -> T:
            try:
                return await ask(whole)
            except InternalError as error:  # a question that can't be written: it holds what the partner answered
                raise PartnerBadAnswer(error.cause) from None
            except (UnknownUser, DependencyFault, GatewayOverloaded, TimeoutError):
                raise
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:  # a panic of a library in Rust is no Exception
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                raise PartnerBadAnswer(_described(error)) from None

        return await self._http.whole(call, guarded)


def _is_cancelled() -> bool:
    """Is it this task that is cancelled, and not one that the adapter began and waited for?"""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _described(error: BaseException) -> str:
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"the adapter failed: {type(error).__name__} at {Path(frame.f_code.co_filename).name}:{line}"
