"""What every partner's adapter must do, run against its simulator over real sockets.

    class TestComet(PartnerConformance):
        adapter = Accounts
        simulator = SimulatedComet

The simulator says which user ids it gives and how many calls an exchange takes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from talaria.adapters.partner_kit import CONTRACT, AdapterAccounts, PartnerUserId
from talaria.domain.errors import DependencyFault, PartnerBadAnswer, TimedOut, UnknownUser
from talaria.domain.model import HOPS, PHONE_HOPS
from talaria.sandbox.faults import Faults
from talaria.sandbox.partner import SimulatedPartner
from talaria.testing.contracts import raised
from talaria.testing.contracts.dependencies import (
    PEOPLE,
    Failure,
    PartnerAccountsContract,
    PartnerAccountsHarness,
    call,
)
from talaria.testing.printed import logged, personal_in
from talaria.testing.simulator import accounts_of, certified, running

SCRIPTS: dict[Failure | None, Faults] = {
    None: Faults(),
    "unreachable": Faults(error_rate=1, reset=True),
    "bad_answer": Faults(error_rate=1, status=200, body="[]"),
    "timeout": Faults(latency=60),
    "overloaded": Faults(error_rate=1, status=503, retry_after="7"),
}
SECRET = "a-secret-of-the-conformance-tests"  # noqa: S105 - it opens nothing


class PartnerHarness:
    """An adapter and the simulator that it asks."""

    def __init__(self, accounts: AdapterAccounts, service: SimulatedPartner) -> None:
        self.accounts = accounts
        self.service = service

    async def set_failure(self, failure: Failure | None) -> None:
        """The port's failures, as scripts of the simulator."""
        self.service.faults = SCRIPTS[failure]


class PartnerConformance(PartnerAccountsContract):
    """Derive, and name the adapter's class and its simulator's."""

    adapter: ClassVar[type[Any]]
    simulator: ClassVar[type[SimulatedPartner]]

    def __init_subclass__(cls) -> None:
        cls.select(getattr(cls, "adapter", None), cls.simulator)

    @classmethod
    def select(cls, adapter: type[Any] | None, simulator: type[SimulatedPartner]) -> None:
        """Take what the two say of themselves: the kind of identity, the user ids, the number of calls."""
        cls.identity = HOPS[tuple(getattr(adapter, "hops", PHONE_HOPS))]
        known, cls.blocked, cls.stranger = PEOPLE[cls.identity]
        cls.users = dict(zip(known, simulator.user_ids, strict=True))
        cls.calls = simulator.calls

    @asynccontextmanager
    async def harness(self) -> AsyncIterator[PartnerAccountsHarness]:
        async with self.partner() as harness:
            yield harness

    @asynccontextmanager
    async def partner(self, timeout: float = 5.0, attempts: int = 3) -> AsyncIterator[PartnerHarness]:
        """The adapter and its simulator, which knows `users`, `blocked` and `stranger`."""
        kinds = self.simulator
        service = kinds(**dict.fromkeys(kinds.secret_names, SECRET))
        service.users, service.blocked, service.without_account = dict(self.users), {self.blocked}, {self.stranger}
        secrets = {name: SECRET for name in kinds.secret_names if name != "api_key"}
        key = SECRET if "api_key" in kinds.secret_names else ""
        async with (
            certified(service) as transport,
            running(service),
            accounts_of(
                *(self.adapter, service.url),
                id=service.name,
                options=service.options,
                secrets=secrets,
                api_key=key,
                timeout=timeout,
                attempts=attempts,
                transport=transport,
            ) as accounts,
        ):
            yield PartnerHarness(accounts, service)

    async def test_the_adapter_is_for_this_contract(self) -> None:
        assert self.adapter.contract == CONTRACT

    async def test_a_probe_is_answered_where_there_is_one(self) -> None:
        async with self.partner(attempts=1) as harness:
            if await harness.accounts.probe(call()):
                harness.service.faults = Faults(error_rate=1, status=500, body="<html>not the partner</html>")
                with raised(PartnerBadAnswer):
                    await harness.accounts.probe(call())

    async def test_a_failure_that_passes_is_mended_by_another_attempt(self) -> None:
        async with self.partner() as harness:
            for status in (429, 502, 503, 504):
                harness.service.faults = Faults(next_failures=1, status=status)
                told = call()
                phone, user = next(iter(self.users.items()))
                assert await harness.accounts.user_of(self.identity(phone), told) == PartnerUserId(user)
                assert str(status) in [attempt.outcome for attempt in told.attempts]

    async def test_what_never_comes_and_what_drips_end_with_the_hop(self) -> None:
        for script in (Faults(error_rate=1, hang=True), Faults(drip=0.2)):
            async with self.partner(timeout=0.15, attempts=1) as harness:
                harness.service.faults = script
                with raised(TimedOut):
                    await self.ask(harness, call())

    async def test_bytes_that_are_no_http_are_a_fault_of_the_partner(self) -> None:
        for raw in ("nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", "HTTP/1.1 200 OK\r\n"):
            async with self.partner(attempts=1) as harness:
                harness.service.faults = Faults(error_rate=1, raw=raw)
                assert (await self.fault_of(harness, call())).origin == "partner"

    async def test_another_status_is_no_answer_about_the_user(self) -> None:
        for status in (301, 400, 401, 403, 404, 409, 410, 422, 423, 500, 501):
            async with self.partner(attempts=1) as harness:
                harness.service.faults = Faults(error_rate=1, status=status, body="<html>not the partner</html>")
                assert (await self.fault_of(harness, call())).origin == "partner"

    async def test_nothing_personal_is_logged_or_said(self) -> None:
        said = []
        with logged() as text:
            async with self.partner(attempts=1) as harness:
                for script in (*SCRIPTS.values(), Faults(error_rate=1, status=500, body=self.blocked)):
                    harness.service.faults = Faults(latency=0.0) if script.latency else script
                    for phone in (*self.users, self.blocked, self.stranger):
                        try:
                            said.append(repr(await harness.accounts.user_of(self.identity(phone), call())))
                        except (UnknownUser, DependencyFault) as refusal:
                            said.append(f"{refusal!r} {refusal.__cause__!r}")
        assert personal_in(text.getvalue()) == []
        assert personal_in("\n".join(said)) == []
