"""An adapter on trial: which persons a canary serves, and what is made of what a shadow says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from talaria.adapters.partner_trial import HEAD_START, AccountsOnTrial, Trial
from talaria.domain.errors import (
    PARTNER,
    CircuitOpen,
    GatewayOverloaded,
    InternalError,
    PartnerUserRefused,
    PartnerUserUnknown,
    Refusal,
    TimedOut,
)
from talaria.domain.events import HopContext, ShadowAnswered
from talaria.domain.model import PhoneNumber
from talaria.testing import MemoryPartnerAccounts, MemoryRecorder
from talaria.testing.contracts.dependencies import (
    BLOCKED,
    USERS,
    Failure,
    PartnerAccountsContract,
    PartnerAccountsHarness,
)
from tests.unit.support_time import run

PHONE = "+4915100000001"
PERSON = "0123456789ab"


@dataclass
class Bench:
    """The partner's own adapter and the one on trial, both in memory. `draws` are a shadow's lots, 0.0 at the end."""

    share: float = 1.0
    at_once: int = 64
    draws: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.own = MemoryPartnerAccounts({PHONE: "u-1"})
        self.other = MemoryPartnerAccounts({PHONE: "u-1"}, "wind.shadow")
        self.recorder = MemoryRecorder()

    def build(self, role: str = "shadow") -> AccountsOnTrial:
        """With the other one as a shadow, or as a canary."""
        trial = Trial("wind_v2", self.other, self.share)
        canary, shadow = (trial, None) if role == "canary" else (None, trial)
        draw = lambda: self.draws.pop(0) if self.draws else 0.0  # noqa: E731 - it has no more to say
        return AccountsOnTrial(
            *("wind", self.own, self.recorder, draw),
            canary=canary,
            shadow=shadow,
            timeout=1.0,
            at_once=self.at_once,
            head_start=0,
        )

    @property
    def results(self) -> list[str]:
        """Of the comparisons, in order."""
        return [event.result for event in self.recorder.events if isinstance(event, ShadowAnswered)]


def hop(draw: float = 0.0) -> HopContext:
    return HopContext("r-1", 5.0, person=PERSON, draw=draw)


async def settle() -> None:
    """Until the shadows that can go on have."""
    for _ in range(10):
        await asyncio.sleep(0)


async def ask(accounts: AccountsOnTrial, told: HopContext | None = None) -> str:
    """One exchange, and the shadow behind it."""
    found = await accounts.user_of(PhoneNumber(PHONE), told or hop())
    await settle()
    return found.reveal()


class TestAccountsOnTrial(PartnerAccountsContract):
    """With a shadow that fails it is still the port."""

    @asynccontextmanager
    async def harness(self) -> AsyncIterator[PartnerAccountsHarness]:
        bench = Bench()
        bench.own.users = {**USERS, BLOCKED: PartnerUserRefused()}
        bench.other.script.failing = PARTNER.unreachable()

        class Harness:
            accounts = bench.build()

            async def set_failure(self, failure: Failure | None) -> None:
                script = bench.own.script
                script.failing = None if failure in (None, "timeout") else getattr(PARTNER, failure)()
                if failure == "overloaded":
                    script.failing = PARTNER.overloaded(retry_after=7.0)
                (script.gate.clear if failure == "timeout" else script.gate.set)()

        yield Harness()
        await Harness.accounts.aclose()


@pytest.mark.parametrize(("share", "served"), [(0.0, "own"), (0.3, "own"), (0.301, "other"), (1.0, "other")])
async def test_a_canary_serves_the_persons_below_its_share(share: float, served: str) -> None:
    bench = Bench(share)
    bench.other.users[PHONE] = "u-9"
    for _ in range(3):
        assert await ask(bench.build("canary"), hop(0.3)) == ("u-9" if served == "other" else "u-1")
    assert (bench.own.script.calls, bench.other.script.calls) == ((0, 3) if served == "other" else (3, 0))


async def test_what_a_canary_says_is_the_answer_its_failure_too() -> None:
    bench = Bench()
    bench.other.script.failing = TimedOut("partner")
    with pytest.raises(TimedOut):
        await ask(bench.build("canary"))
    assert bench.own.script.calls == 0


@pytest.mark.parametrize(
    ("own", "other", "result"),
    [
        ("u-1", "u-1", "same"),
        ("u-1", "u-9", "other"),
        ("u-1", PartnerUserUnknown(), "unknown"),
        ("u-1", PartnerUserRefused(), "unknown"),
        ("u-1", TimedOut("partner"), "failed"),
        ("u-1", CircuitOpen("partner"), "failed"),
        ("u-1", InternalError("no"), "failed"),
        (PartnerUserUnknown(), PartnerUserUnknown(), "same"),
        (PartnerUserUnknown(), PartnerUserRefused(), "unknown"),
        (PartnerUserUnknown(), "u-9", "other"),
        (PartnerUserUnknown(), TimedOut("partner"), "failed"),
    ],
)
async def test_what_a_shadow_says_is_compared_and_changes_nothing(
    own: str | Refusal, other: str | Refusal, result: str
) -> None:
    bench, told = Bench(), hop()
    bench.own.users[PHONE], bench.other.users[PHONE] = own, other
    answer: object
    try:
        answer = await ask(bench.build(), told)
    except PartnerUserUnknown as refusal:
        answer = refusal
        await settle()
    assert answer == own
    assert bench.recorder.events == [ShadowAnswered("wind", "wind_v2", result, PERSON, "r-1")]  # type: ignore[arg-type]
    assert [attempt.dependency for attempt in told.attempts] == ["wind"]


async def test_what_our_own_pacing_keeps_back_is_not_compared() -> None:
    bench = Bench()
    bench.other.script.failing = GatewayOverloaded("partners.wind.shadow.rate_limit")
    assert await ask(bench.build()) == "u-1"
    assert (bench.other.script.calls, bench.results) == (1, [])


def test_a_shadow_lets_the_request_go_first() -> None:
    async def main() -> None:
        bench = Bench()
        trial = Trial("wind_v2", bench.other, 1.0)
        accounts = AccountsOnTrial("wind", bench.own, bench.recorder, lambda: 0.0, shadow=trial)
        await ask(accounts)
        assert bench.other.script.calls == 0
        await asyncio.sleep(HEAD_START)
        await settle()
        assert bench.results == ["same"]

    run(main())


async def test_without_an_answer_there_is_nothing_to_compare() -> None:
    bench = Bench()
    bench.own.script.failing = TimedOut("partner")
    with pytest.raises(TimedOut):
        await ask(bench.build())
    await settle()
    assert (bench.other.script.calls, bench.results) == (0, [])


async def test_nothing_waits_for_a_shadow() -> None:
    bench = Bench()
    bench.other.script.gate.clear()
    accounts = bench.build()
    assert await ask(accounts) == "u-1"
    assert (bench.other.script.calls, bench.results) == (1, [])
    bench.other.script.gate.set()
    await settle()
    assert bench.results == ["same"]


async def test_a_share_of_the_answers_is_compared() -> None:
    bench = Bench(share=0.05, draws=[0.04, 0.05, 0.9, 0.049])
    accounts = bench.build()
    for _ in range(4):
        await ask(accounts)
    assert bench.other.script.calls == 2


async def test_no_more_shadows_are_asked_at_once_than_it_says() -> None:
    bench = Bench(at_once=2)
    bench.other.script.gate.clear()
    accounts = bench.build()
    for _ in range(5):
        await ask(accounts)
    assert bench.other.script.calls == 2
    bench.other.script.gate.set()
    await settle()
    await ask(accounts)
    assert bench.results == ["same"] * 3


async def test_shadows_are_given_up_with_the_configuration_that_they_are_of() -> None:
    bench = Bench()
    bench.other.script.gate.clear()
    accounts = bench.build()
    await ask(accounts)
    await accounts.aclose()
    assert (bench.results, asyncio.all_tasks()) == ([], {asyncio.current_task()})
