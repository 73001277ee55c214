"""The versions in memory pass the contracts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from talaria.domain.errors import PARTNER, PERSONAL, DependencyFaults, ExpiredToken, PartnerUserRefused
from talaria.domain.events import ExchangeFinished
from talaria.domain.model import PartnerUserId, PersonalPhoneId, Principal, ServiceClaims
from talaria.testing import (
    DependencyScript,
    MemoryClock,
    MemoryIdentityCache,
    MemoryPartnerAccounts,
    MemoryPhoneDirectory,
    MemoryRecorder,
    MemoryServiceTokens,
    MemoryTokenVerifier,
)
from talaria.testing.contracts.clock import ClockContract
from talaria.testing.contracts.dependencies import (
    BLOCKED,
    EMAILS,
    PHONES,
    USERS,
    Failure,
    PartnerAccountsContract,
    PartnerAccountsHarness,
    PhoneDirectoryContract,
    PhoneDirectoryHarness,
    call,
)
from talaria.testing.contracts.identity_cache import IdentityCacheContract
from talaria.testing.contracts.recorder import RecorderContract
from talaria.testing.contracts.service_tokens import ServiceTokensContract
from talaria.testing.contracts.token_verifier import TokenVerifierContract


def script_trouble(script: DependencyScript, faults: DependencyFaults, failure: Failure | None) -> None:
    script.gate.set()
    script.failing = None
    if failure == "timeout":
        script.gate.clear()
    elif failure is not None:
        script.failing = getattr(faults, failure)(retry_after=7.0 if failure == "overloaded" else None)


class _Directory:
    def __init__(self) -> None:
        self.directory = MemoryPhoneDirectory(PHONES, EMAILS)

    async def set_failure(self, failure: Failure | None) -> None:
        script_trouble(self.directory.script, PERSONAL, failure)


class _Accounts:
    def __init__(self) -> None:
        self.accounts = MemoryPartnerAccounts({**USERS, BLOCKED: PartnerUserRefused()})

    async def set_failure(self, failure: Failure | None) -> None:
        script_trouble(self.accounts.script, PARTNER, failure)


class TestMemoryPhoneDirectory(PhoneDirectoryContract):
    @asynccontextmanager
    async def harness(self) -> AsyncIterator[PhoneDirectoryHarness]:
        yield _Directory()

    async def test_it_counts_its_calls(self) -> None:
        harness = _Directory()
        await self.ask(harness, call())
        assert harness.directory.script.calls == 1


class TestMemoryPartnerAccounts(PartnerAccountsContract):
    @asynccontextmanager
    async def harness(self) -> AsyncIterator[PartnerAccountsHarness]:
        yield _Accounts()


class TestMemoryIdentities(IdentityCacheContract):
    def cache(self, max_entries: int) -> MemoryIdentityCache:
        return MemoryIdentityCache(max_entries)


class TestMemoryTokenVerifier(TokenVerifierContract):
    anna = Principal("app", PersonalPhoneId("ppid-anna"))

    def verifier(self) -> MemoryTokenVerifier:
        return MemoryTokenVerifier({b"anna.s.token": self.anna, b"old.anna.token": ExpiredToken()})

    def good_token(self) -> tuple[bytes, Principal]:
        return b"anna.s.token", self.anna

    def expired_token(self) -> bytes:
        return b"old.anna.token"


class TestMemoryServiceTokens(ServiceTokensContract):
    def tokens(self) -> MemoryServiceTokens:
        return MemoryServiceTokens()

    def test_it_says_what_a_token_stands_for(self) -> None:
        tokens = self.tokens()
        grant = ServiceClaims(PartnerUserId("one"), "wind", "wind", "app", "talaria-services")
        assert tokens.claims[tokens.token_for(grant).token] == grant


class TestMemoryClock(ClockContract):
    def clock(self) -> MemoryClock:
        return MemoryClock()

    def test_it_is_moved_by_hand(self) -> None:
        clock = MemoryClock(5.0)
        clock.move(2.5)
        assert clock.now() == 7.5


class TestMemoryRecorder(RecorderContract):
    def recorder(self) -> MemoryRecorder:
        return MemoryRecorder()

    def test_it_keeps_them(self) -> None:
        recorder = self.recorder()
        recorder.record(ExchangeFinished("wind", "hit"))
        assert recorder.events == [ExchangeFinished("wind", "hit")]
