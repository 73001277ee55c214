"""What every `PhoneDirectory` and every `PartnerAccounts` does."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from talaria.domain.errors import (
    PARTNER,
    PERSONAL,
    DependencyFault,
    DependencyFaults,
    IdentityUnknown,
    PartnerUserRefused,
    PartnerUserUnknown,
)
from talaria.domain.events import HopContext
from talaria.domain.model import EmailAddress, Identity, PartnerUserId, PersonalPhoneId, PhoneNumber
from talaria.domain.ports import PartnerAccounts, PhoneDirectory
from talaria.testing.contracts import raised

Failure = Literal["unreachable", "bad_answer", "timeout", "overloaded"]
"""A field of `DependencyFaults`. "overloaded" asks to come again in 7 seconds."""

PHONES = {"ppid-anna": "+4915112345678", "ppid-bob": "+4366012345678"}
EMAILS = {"ppid-anna": "anna@people.example", "ppid-bob": "bob@people.example"}
USERS = {"+4915112345678": "wu-anna", "+4366012345678": "wu-bob"}
EMAIL_USERS = {"anna@people.example": "wu-anna", "bob@people.example": "wu-bob"}
BLOCKED, STRANGER = "+4915100000000", "+4915199999999"


class People(NamedTuple):
    """A partner's users, by one kind of identity; one person that it refuses, and one that it has no user for."""

    users: Mapping[str, str]
    blocked: str
    stranger: str


PEOPLE: Mapping[type[Identity], People] = {
    PhoneNumber: People(USERS, BLOCKED, STRANGER),
    EmailAddress: People(EMAIL_USERS, "blocked@people.example", "stranger@people.example"),
}


class DependencyHarness(Protocol):
    """A dependency that a test can make fail."""

    async def set_failure(self, failure: Failure | None) -> None:
        """Fail so at every call from now on; None: work again."""


class PhoneDirectoryHarness(DependencyHarness, Protocol):
    """A directory that knows PHONES and EMAILS, and no other id."""

    @property
    def directory(self) -> PhoneDirectory: ...


class PartnerAccountsHarness(DependencyHarness, Protocol):
    """A partner that has USERS, refuses BLOCKED, and has no other user."""

    @property
    def accounts(self) -> PartnerAccounts: ...


W = TypeVar("W", bound=DependencyHarness)


def call(timeout: float = 5.0) -> HopContext:
    """What a hop of an exchange gets."""
    return HopContext("request-1", timeout)


class HopContract(Generic[W]):
    """What both ports have in common: their failures."""

    faults: ClassVar[DependencyFaults]
    calls: ClassVar[int] = 1
    """How many calls one question consists of."""

    @property
    def personal(self) -> tuple[str, ...]:
        """What no fault may say."""
        return (*PHONES, *PHONES.values(), *EMAILS.values())

    def harness(self) -> AbstractAsyncContextManager[W]:
        """A dependency that works."""
        raise NotImplementedError

    async def ask(self, harness: W, told: HopContext) -> object:
        """A question that has a good answer."""
        raise NotImplementedError

    async def fault_of(self, harness: W, told: HopContext) -> DependencyFault:
        """The fault that the question ends in."""
        try:
            await self.ask(harness, told)
        except DependencyFault as fault:
            return fault
        raise AssertionError("no fault was raised")

    async def check_failure(self, failure: Failure, timeout: float = 5.0) -> DependencyFault:
        """The failure has its own reason, says nothing personal, is recorded as an attempt, and passes."""
        async with self.harness() as harness:
            await harness.set_failure(failure)
            told = call(timeout)
            expected = getattr(self.faults, failure)()
            fault = await self.fault_of(harness, told)
            assert fault.reason == expected.reason
            assert told.attempts
            assert told.attempts[-1].outcome != "ok"
            assert not [word for word in self.personal if word in repr(fault)]
            await harness.set_failure(None)
            assert await self.ask(harness, call())
        return fault

    async def test_unreachable(self) -> None:
        await self.check_failure("unreachable")

    async def test_bad_answer(self) -> None:
        await self.check_failure("bad_answer")

    async def test_timeout_after_the_time_that_the_call_has(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self.check_failure("timeout", timeout=0.05)
        assert loop.time() - started < 3

    async def test_overloaded_says_when_to_come_again(self) -> None:
        error = await self.check_failure("overloaded")
        assert getattr(error, "retry_after", None) == 7.0

    async def test_a_good_call_is_noted(self) -> None:
        async with self.harness() as harness:
            told = call()
            await self.ask(harness, told)
            assert [attempt.outcome for attempt in told.attempts] == ["ok"] * self.calls

    async def test_cancelling_a_call_hurts_no_other(self) -> None:
        async with self.harness() as harness:
            await harness.set_failure("timeout")
            asking = asyncio.ensure_future(self.ask(harness, call()))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled()
            await harness.set_failure(None)
            assert await self.ask(harness, call())


class PhoneDirectoryContract(HopContract[PhoneDirectoryHarness]):
    """Derive, and give a `harness`."""

    faults = PERSONAL

    async def ask(self, harness: PhoneDirectoryHarness, told: HopContext) -> object:
        """For a known id."""
        return await harness.directory.phone_of(PersonalPhoneId("ppid-anna"), told)

    async def test_each_id_has_its_number(self) -> None:
        async with self.harness() as harness:
            ids = [PersonalPhoneId(phone_id) for phone_id in PHONES] * 5
            phones = await asyncio.gather(*(harness.directory.phone_of(phone_id, call()) for phone_id in ids))
            assert phones == [PhoneNumber(PHONES[phone_id.reveal()]) for phone_id in ids]

    async def test_an_unknown_id(self) -> None:
        async with self.harness() as harness:
            for asked in (harness.directory.phone_of, harness.directory.email_of):
                with raised(IdentityUnknown) as caught:
                    await asked(PersonalPhoneId("ppid-unknown"), call())
                assert "ppid" not in repr(caught.error)

    async def test_each_id_has_its_address(self) -> None:
        async with self.harness() as harness:
            emails = [await harness.directory.email_of(PersonalPhoneId(phone_id), call()) for phone_id in EMAILS]
            assert emails == list(map(EmailAddress, EMAILS.values()))


class PartnerAccountsContract(HopContract[PartnerAccountsHarness]):
    """Derive, and give a `harness`; `users`, two numbers (or addresses) and their user ids, and what differs.

    `identity` is the type of what is asked with; the partner refuses `blocked` and has no user for `stranger`.
    """

    faults = PARTNER
    users: ClassVar[Mapping[str, str]] = USERS
    identity: ClassVar[type[Identity]] = PhoneNumber
    blocked: ClassVar[str] = BLOCKED
    stranger: ClassVar[str] = STRANGER

    @property
    def personal(self) -> tuple[str, ...]:
        return (*super().personal, *self.users, *self.users.values())

    async def ask(self, harness: PartnerAccountsHarness, told: HopContext) -> object:
        """For a number that has a user."""
        return await harness.accounts.user_of(self.identity(next(iter(self.users))), told)

    async def test_each_number_has_its_user_however_often_it_is_asked_for(self) -> None:
        async with self.harness() as harness:
            numbers = list(self.users) * 5
            users = await asyncio.gather(*(harness.accounts.user_of(self.identity(each), call()) for each in numbers))
            assert users == [PartnerUserId(self.users[number]) for number in numbers]

    async def test_a_number_without_a_user(self) -> None:
        async with self.harness() as harness:
            with raised(PartnerUserUnknown) as caught:
                await harness.accounts.user_of(self.identity(self.stranger), call())
            assert self.stranger not in repr(caught.error)

    async def test_a_number_that_the_partner_refuses(self) -> None:
        async with self.harness() as harness:
            with raised(PartnerUserRefused) as caught:
                await harness.accounts.user_of(self.identity(self.blocked), call())
            assert self.blocked not in repr(caught.error)
