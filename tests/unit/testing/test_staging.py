"""What is said of an adapter that is tried against its partner: each way in which it may differ, and no person."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from talaria.adapters.partner_kit import PartnerBadAnswer
from talaria.domain.errors import PartnerUserRefused, PartnerUserUnknown, Refusal, TimedOut
from talaria.domain.events import HopContext
from talaria.domain.model import EmailAddress, PartnerUserId, PhoneNumber
from talaria.testing.staging import Finding, Pace, StagingSuite, TestPerson
from tests.unit.support_time import run

ANNA, BORIS, BLOCKED, STRANGER = (PhoneNumber(f"+44770090000{number}") for number in range(4))
USERS = {ANNA: PartnerUserId("u-1"), BORIS: PartnerUserId("u-2")}
PERSONS = [
    TestPerson(ANNA, "user", PartnerUserId("u-1")),
    TestPerson(BORIS, "user"),
    TestPerson(BLOCKED, "refused"),
    TestPerson(STRANGER, "unknown"),
]
Answer = Callable[[PhoneNumber, int], PartnerUserId | Refusal]


def good(phone: PhoneNumber, _: int) -> PartnerUserId | Refusal:
    """What the partner says, at the n-th time that it is asked."""
    return USERS.get(phone, PartnerUserRefused() if phone == BLOCKED else PartnerUserUnknown())


class Accounts:
    """An adapter and its partner: `answer` is what it says, `probed` what its probe does."""

    def __init__(self, answer: Answer = good, probed: Refusal | bool = True) -> None:
        self._answer = answer
        self._probed = probed
        self._asked = 0

    async def user_of(self, identity: PhoneNumber | EmailAddress, call: HopContext) -> PartnerUserId:
        assert isinstance(identity, PhoneNumber)
        if call.timeout < 0.01:
            raise TimedOut("partner")
        await asyncio.sleep(0)
        self._asked += 1
        said = self._answer(identity, self._asked)
        if isinstance(said, Refusal):
            raise said
        return said

    async def probe(self, call: HopContext) -> bool:
        if isinstance(self._probed, Refusal):
            raise self._probed
        return self._probed


async def found(accounts: Any, persons: list[TestPerson] | None = None) -> list[Finding]:
    return [finding async for finding in StagingSuite(accounts, PERSONS if persons is None else persons, 5.0).run()]


def differing(findings: list[Finding]) -> dict[str, str]:
    return {finding.case: finding.differs for finding in findings if finding.differs}


async def test_a_partner_that_keeps_its_contract_differs_in_nothing() -> None:
    findings = await found(Accounts())
    assert differing(findings) == {}
    assert [finding.case for finding in findings] == [
        "person 1: a user id, the same twice",
        "person 2: a user id, the same twice",
        "person 3: refused",
        "person 4: no such user",
        "2 asked for at once: each its own user id",
        "after a question that was given up: the next one is answered",
        "without enough time: the partner's timeout",
        "its probe is answered",
        "nothing logged or said holds a phone number or an e-mail address",
    ]


async def test_without_users_and_without_a_probe_there_is_less_to_try() -> None:
    assert len(await found(Accounts(probed=False), PERSONS[2:])) == 3


@pytest.mark.parametrize(
    ("answer", "differs"),
    [
        (lambda *_: PartnerUserUnknown(), {1: "no such user", 2: "no such user", 3: "no such user"}),
        (lambda *_: PartnerUserRefused(), {1: "refused", 2: "refused", 4: "refused"}),
        (lambda *_: PartnerBadAnswer("status 500"), dict.fromkeys((1, 2, 3, 4), "partner-bad-answer: status 500")),
        (lambda *_: PartnerBadAnswer(), dict.fromkeys((1, 2, 3, 4), "partner-bad-answer")),
        (lambda *_: USERS[BORIS], {1: "another user id than the file says", 3: "a user id", 4: "a user id"}),
    ],
)
async def test_what_is_said_of_a_person_is_held_against_the_file(answer: Answer, differs: dict[int, str]) -> None:
    persons = [finding for finding in await found(Accounts(answer)) if finding.case.startswith("person ")]
    assert {at: finding.differs for at, finding in enumerate(persons, 1) if finding.differs} == differs


async def test_an_id_that_changes_is_said() -> None:
    findings = await found(Accounts(lambda _, time: PartnerUserId(f"u-{time}")), PERSONS[1:2])
    assert differing(findings) == {
        "person 1: a user id, the same twice": "another one at the second time",
        "1 asked for at once: each its own user id": "a user id, which is not the person's own",
    }


async def test_persons_that_get_mixed_up_are_said() -> None:
    def mixed(phone: PhoneNumber, time: int) -> PartnerUserId | Refusal:
        return USERS[BORIS if phone == ANNA else ANNA] if 4 < time < 7 else good(phone, time)

    findings = await found(Accounts(mixed), PERSONS[:2])
    assert list(differing(findings)) == ["2 asked for at once: each its own user id"]


async def test_a_probe_that_fails_is_said() -> None:
    findings = await found(Accounts(probed=PartnerBadAnswer("status 401")))
    assert differing(findings) == {"its probe is answered": "partner-bad-answer: status 401"}


async def test_a_phone_number_that_is_said_is_told_of_and_not_repeated() -> None:
    findings = await found(Accounts(lambda phone, _: PartnerBadAnswer(f"no {phone.reveal()}")), PERSONS[2:3])
    assert findings[-1].differs == "1 times, such as +44..."


def test_turns_come_at_the_pace_and_are_counted() -> None:
    async def main() -> None:
        pace, loop = Pace(100.0), asyncio.get_running_loop()
        began = loop.time()
        for _ in range(6):
            await pace.turn()
        assert pace.calls == 6
        assert loop.time() - began == pytest.approx(0.05)

    run(main())
