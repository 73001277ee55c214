"""What every `PhoneDirectory` and every `PartnerAccounts` does."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from talaria.domain.errors import (
    PARTNER,
    PERSONAL,
    DependencyFault,
    Faults,
    IdentityUnknown,
    PartnerUserRefused,
    PartnerUserUnknown,
)
from talaria.domain.events import HopContext
from talaria.domain.model import PartnerUserId, PersonalPhoneId, PhoneNumber
from talaria.domain.ports import PartnerAccounts, PhoneDirectory
from talaria.testing.contracts import raised

Trouble = Literal["unreachable", "bad_answer", "timeout", "overloaded"]
"""A field of `Faults`. "overloaded" asks to come again in 7 seconds."""

PHONES = {"ppid-anna": "+4915112345678", "ppid-bob": "+4366012345678"}
USERS = {"+4915112345678": "wu-anna", "+4366012345678": "wu-bob"}
BLOCKED, STRANGER = "+4915100000000", "+4915199999999"


class World(Protocol):
    """A dependency that a test can trouble."""

    async def suffer(self, trouble: Trouble | None) -> None:
        """Behave so at every call from now on; None: be well again."""
        ...


class DirectoryWorld(World, Protocol):
    """A directory that knows PHONES, and no other id."""

    @property
    def directory(self) -> PhoneDirectory: ...


class AccountsWorld(World, Protocol):
    """A partner that has USERS, refuses BLOCKED, and has nobody else."""

    @property
    def accounts(self) -> PartnerAccounts: ...


W = TypeVar("W", bound=World)


def call(timeout: float = 5.0) -> HopContext:
    """What an exchange tells its hop."""
    return HopContext("request-1", timeout)


class HopContract(Generic[W]):
    """What both ports have in common: their troubles."""

    faults: ClassVar[Faults]

    def world(self) -> AbstractAsyncContextManager[W]:
        """A world that is well."""
        raise NotImplementedError

    async def ask(self, world: W, told: HopContext) -> object:
        """A question that has a good answer."""
        raise NotImplementedError

    async def check_trouble(self, trouble: Trouble, timeout: float = 5.0) -> BaseException:
        """The trouble is called by its name, says nothing personal, is noted as an attempt, and passes."""
        async with self.world() as world:
            await world.suffer(trouble)
            told = call(timeout)
            expected = getattr(self.faults, trouble)()
            with raised(type(expected)) as caught:
                await self.ask(world, told)
            assert isinstance(caught.error, DependencyFault)
            assert caught.error.reason == expected.reason
            assert told.attempts
            assert told.attempts[-1].outcome != "ok"
            assert not [word for word in (*PHONES, *USERS, *USERS.values()) if word in repr(caught.error)]
            await world.suffer(None)
            assert await self.ask(world, call())
        return caught.error

    async def test_unreachable(self) -> None:
        await self.check_trouble("unreachable")

    async def test_bad_answer(self) -> None:
        await self.check_trouble("bad_answer")

    async def test_timeout_after_the_time_that_the_call_has(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self.check_trouble("timeout", timeout=0.05)
        assert loop.time() - started < 3

    async def test_overloaded_says_when_to_come_again(self) -> None:
        error = await self.check_trouble("overloaded")
        assert getattr(error, "retry_after", None) == 7.0

    async def test_a_good_call_is_noted(self) -> None:
        async with self.world() as world:
            told = call()
            await self.ask(world, told)
            assert [attempt.outcome for attempt in told.attempts] == ["ok"]

    async def test_cancelling_a_call_hurts_no_other(self) -> None:
        async with self.world() as world:
            await world.suffer("timeout")
            asking = asyncio.ensure_future(self.ask(world, call()))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled()
            await world.suffer(None)
            assert await self.ask(world, call())


class PhoneDirectoryContract(HopContract[DirectoryWorld]):
    """Derive, and give a `world`."""

    faults = PERSONAL

    async def ask(self, world: DirectoryWorld, told: HopContext) -> object:
        """For a known id."""
        return await world.directory.phone_of(PersonalPhoneId("ppid-anna"), told)

    async def test_each_id_has_its_number(self) -> None:
        async with self.world() as world:
            ids = [PersonalPhoneId(phone_id) for phone_id in PHONES] * 5
            phones = await asyncio.gather(*(world.directory.phone_of(phone_id, call()) for phone_id in ids))
            assert phones == [PhoneNumber(PHONES[phone_id.reveal()]) for phone_id in ids]

    async def test_an_unknown_id(self) -> None:
        async with self.world() as world:
            with raised(IdentityUnknown) as caught:
                await world.directory.phone_of(PersonalPhoneId("ppid-nobody"), call())
            assert "ppid" not in repr(caught.error)


class PartnerAccountsContract(HopContract[AccountsWorld]):
    """Derive, and give a `world`."""

    faults = PARTNER

    async def ask(self, world: AccountsWorld, told: HopContext) -> object:
        """For a number that has a user."""
        return await world.accounts.user_of(PhoneNumber(next(iter(USERS))), told)

    async def test_each_number_has_its_user_however_often_it_is_asked_for(self) -> None:
        async with self.world() as world:
            numbers = list(USERS) * 5
            users = await asyncio.gather(*(world.accounts.user_of(PhoneNumber(each), call()) for each in numbers))
            assert users == [PartnerUserId(USERS[number]) for number in numbers]

    async def test_a_number_without_a_user(self) -> None:
        async with self.world() as world:
            with raised(PartnerUserUnknown) as caught:
                await world.accounts.user_of(PhoneNumber(STRANGER), call())
            assert STRANGER not in repr(caught.error)

    async def test_a_number_that_the_partner_refuses(self) -> None:
        async with self.world() as world:
            with raised(PartnerUserRefused) as caught:
                await world.accounts.user_of(PhoneNumber(BLOCKED), call())
            assert BLOCKED not in repr(caught.error)
