"""A partner that is a function, and adapters that are one."""

from collections.abc import Awaitable, Callable

import httpx

from talaria.adapters.partner_kit import AdapterAccounts, PartnerContext, PartnerHttp, PartnerUserId, PhoneNumber
from talaria.domain.errors import PARTNER
from talaria.domain.events import HopContext
from tests.unit.adapters.support_dependency_client import Bench

PHONE = PhoneNumber("+4915112345678")

Lookup = Callable[[PartnerHttp, HopContext], Awaitable[PartnerUserId]]


class Asking:
    """An adapter that does one thing with its client."""

    contract = 1

    def __init__(self, partner: PartnerContext, lookup: Lookup) -> None:
        self._http = partner.http
        self._lookup = lookup

    async def user_of(self, phone: PhoneNumber, call: HopContext) -> PartnerUserId:
        return await self._lookup(self._http, call)


def accounts(bench: Bench, lookup: Lookup) -> AdapterAccounts:
    """The port, over `lookup`."""
    return bench.accounts(lambda partner: Asking(partner, lookup))


def partner(*answers: object, attempts: int = 3, timeout: float = 1.0) -> Bench:
    """A partner with these answers."""
    return Bench(*answers, faults=PARTNER, attempts=attempts, timeout=timeout)


def answer(status: int, body: bytes = b"{}", **headers: str) -> httpx.Response:
    """One answer."""
    return httpx.Response(
        status, content=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
