"""An adapter against its partner's real API: what differs from what the partner's contract, and ours, say.

The partner can't be told to fail, so these are the cases of the conformance suite that need no script; and nothing
that is said of them names a person: persons are numbers in the order of their file.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import httpx

from talaria.adapters.partner_kit import AdapterAccounts
from talaria.domain.errors import PartnerUserRefused, PartnerUserUnknown, Refusal, TimedOut
from talaria.domain.events import HopContext
from talaria.domain.model import Identity, PartnerUserId
from talaria.testing.printed import logged, personal_in

AT_ONCE = 3
"""How many persons are asked for at the same time."""
TURNS = 12
"""How many calls the longest case makes at once, at most: it may have to wait for so many turns."""

EXPECTED = {
    "user": (PartnerUserId, "a user id, the same twice"),
    "unknown": (PartnerUserUnknown, "no such user"),
    "refused": (PartnerUserRefused, "refused"),
}
"""What a person may be expected to be: how that is said by an adapter, and in words."""
Said = PartnerUserId | Refusal


@dataclass(frozen=True, slots=True)
class TestPerson:
    """A person of the staging system, and which of EXPECTED it is: of a user the very id, where it is known."""

    __test__ = False  # no case of pytest's

    identity: Identity
    expected: str
    user_id: PartnerUserId | None = None


class Finding(NamedTuple):
    """One case. `differs` says how, and is empty where all is as it should be."""

    case: str
    differs: str = ""


class Pace:
    """Turns, `per_second` of them. `calls` counts them; `slowest` is the longest call, in seconds."""

    def __init__(self, per_second: float) -> None:
        self.wait_at_most = TURNS / per_second
        self.calls = 0
        self.slowest = 0.0
        self._between = 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next one."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + self._between
        self.calls += 1
        await asyncio.sleep(at - now)


class PacedTransport(httpx.AsyncBaseTransport):
    """Another transport, in its turns."""

    def __init__(self, inner: httpx.AsyncBaseTransport, pace: Pace) -> None:
        self._inner = inner
        self._pace = pace

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send once it has its turn."""
        await self._pace.turn()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._inner.handle_async_request(request)
        finally:
            self._pace.slowest = max(self._pace.slowest, loop.time() - began)

    async def aclose(self) -> None:
        """Close the other one."""
        await self._inner.aclose()


class StagingSuite:
    """The cases. A hop of `accounts` is to have `timeout` seconds, which leave time for the turns."""

    def __init__(self, accounts: AdapterAccounts, persons: Sequence[TestPerson], timeout: float) -> None:
        self._accounts = accounts
        self._persons = persons
        self._timeout = timeout
        self._said: list[str] = []
        self._users: list[tuple[TestPerson, PartnerUserId]] = []

    async def run(self) -> AsyncIterator[Finding]:
        """Each case as it ends; the last one says whether the others had anything personal to say."""
        with logged() as text:
            for number, person in enumerate(self._persons, 1):
                yield await self._person(number, person)
            if self._users:
                yield await self._at_once()
                yield await self._given_up(self._users[0][0])
                yield await self._too_late(self._users[0][0])
            if (probed := await self._probe()) is not None:
                yield probed
        yield self._personal(text.getvalue())

    async def _person(self, number: int, person: TestPerson) -> Finding:
        said = await self._ask(person)
        differs = _differs(said, person)
        if isinstance(said, PartnerUserId):
            self._users.append((person, said))
            again = await self._ask(person)
            differs = differs or _differs(again, person) or ("" if again == said else "another one at the second time")
        return Finding(f"person {number}: {EXPECTED[person.expected][1]}", differs)

    async def _at_once(self) -> Finding:
        users = self._users[:AT_ONCE]
        together = await asyncio.gather(*(self._ask(person) for person, _ in users))
        wrong = [said for said, (_, user_id) in zip(together, users, strict=True) if said != user_id]
        differs = f"{_said(wrong[0])}, which is not the person's own" if wrong else ""
        return Finding(f"{len(users)} asked for at once: each its own user id", differs)

    async def _given_up(self, user: TestPerson) -> Finding:
        asking = asyncio.ensure_future(self._ask(user))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        return Finding(
            "after a question that was given up: the next one is answered", _differs(await self._ask(user), user)
        )

    async def _too_late(self, user: TestPerson) -> Finding:
        said = await self._ask(user, timeout=0.001)
        return Finding("without enough time: the partner's timeout", "" if isinstance(said, TimedOut) else _said(said))

    async def _probe(self) -> Finding | None:
        case = "its probe is answered"
        try:
            return Finding(case) if await self._accounts.probe(HopContext("", self._timeout)) else None
        except Refusal as refusal:
            return Finding(case, _said(refusal))

    def _personal(self, logged_text: str) -> Finding:
        found = personal_in("\n".join((logged_text, *self._said)))
        known = [person.identity.reveal() for person in self._persons]
        found += [f"{one[:3]}..." for one in known if one in logged_text]
        differs = f"{len(found)} times, such as {found[0]}" if found else ""
        return Finding("nothing logged or said holds a phone number or an e-mail address", differs)

    async def _ask(self, person: TestPerson, timeout: float = 0.0) -> Said:
        try:
            said: Said = await self._accounts.user_of(person.identity, HopContext("", timeout or self._timeout))
        except Refusal as refusal:
            said = refusal
        self._said.append(f"{said!r} {said}")
        return said


def _differs(said: Said, person: TestPerson) -> str:
    if person.user_id is not None and isinstance(said, PartnerUserId) and said != person.user_id:
        return "another user id than the file says"
    return "" if isinstance(said, EXPECTED[person.expected][0]) else _said(said)


def _said(said: Said) -> str:
    match said:
        case PartnerUserId():
            return "a user id"
        case PartnerUserUnknown():
            return "no such user"
        case PartnerUserRefused():
            return "refused"
    return f"{said.reason}: {said.cause}" if said.cause else said.reason
