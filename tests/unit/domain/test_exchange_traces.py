"""Which trace an exchange is part of: personal is told, a partner never; a request that joins a flight is linked."""

import asyncio

from talaria.domain.errors import Unreachable
from talaria.domain.events import PERSONAL_SPAN, HopContext, RequestContext
from talaria.domain.exchange import CachePolicy, Exchange
from talaria.domain.model import EmailAddress, PartnerUserId, PersonalPhoneId, PhoneNumber
from talaria.domain.tracing import Tracing
from talaria.testing import MemoryIdentityCache, MemoryPartnerAccounts, MemoryPhoneDirectory, MemoryRecorder
from tests.unit.domain.support_exchange import PHONE, key
from tests.unit.support_time import JumpingLoop, clock, run, settle


class Told:
    """The ports `PhoneDirectory` and `PartnerAccounts`: both note what trace each call is told of."""

    def __init__(self) -> None:
        self.clock: JumpingLoop = clock()
        self.directory = MemoryPhoneDirectory({"p-1": PHONE})
        self.accounts = MemoryPartnerAccounts({PHONE: "u-1"})
        self.traces: list[tuple[str, str]] = []
        ages = CachePolicy(900.0, 10.0, 3600.0, lambda: 0.0)
        recorder = MemoryRecorder()
        self.exchange = Exchange(self, {"wind": self}, MemoryIdentityCache(9), ages, self.clock, recorder)

    async def phone_of(self, phone_id: PersonalPhoneId, call: HopContext) -> PhoneNumber:
        self.traces.append(("personal", call.traceparent))
        return await self.directory.phone_of(phone_id, call)

    async def email_of(self, phone_id: PersonalPhoneId, call: HopContext) -> EmailAddress:
        return await self.directory.email_of(phone_id, call)

    async def user_of(self, identity: PhoneNumber | EmailAddress, call: HopContext) -> PartnerUserId:
        self.traces.append(("partner", call.traceparent))
        return await self.accounts.user_of(identity, call)

    async def ask(self, context: RequestContext) -> None:
        """One request's exchange."""
        now = self.clock.now()
        await self.exchange.user_of(key(), context, now + 10, now + 10)


def traced(name: str) -> RequestContext:
    return RequestContext(name, trace=Tracing(1.0).begin())


def test_personal_is_told_of_the_trace_and_a_partner_is_not() -> None:
    async def main() -> None:
        told, context = Told(), traced("r-1")
        await told.ask(context)
        assert context.trace is not None
        assert told.traces == [("personal", context.trace.parent_of(PERSONAL_SPAN)), ("partner", "")]
        assert context.joined is None

    run(main())


def test_without_spans_no_trace_is_told_of() -> None:
    async def main() -> None:
        told = Told()
        await told.ask(RequestContext("r-1"))
        assert told.traces == [("personal", ""), ("partner", "")]

    run(main())


def test_a_request_that_joins_a_flight_is_linked_to_the_one_that_began_it() -> None:
    async def main() -> None:
        told, first, second = Told(), traced("r-1"), traced("r-2")
        told.directory.script.gate.clear()
        tasks = [asyncio.create_task(told.ask(context)) for context in (first, second)]
        await settle()
        told.directory.script.gate.set()
        await asyncio.gather(*tasks)
        assert (first.joined, second.joined) == (None, first.trace)
        assert len(told.traces) == 2

    run(main())


def test_a_refresh_in_the_background_is_part_of_no_trace() -> None:
    async def main() -> None:
        told = Told()
        await told.ask(RequestContext("r-1"))
        told.clock.move(901)
        told.directory.script.fail_next.append(Unreachable("personal"))
        await told.ask(traced("r-2"))  # the failure, a stale pair
        told.traces.clear()
        context = traced("r-3")
        await told.ask(context)
        await settle()
        assert (context.exchange, context.joined, told.traces) == ("stale", None, [("personal", ""), ("partner", "")])

    run(main())
