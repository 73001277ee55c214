"""Rule 1 of the exchange: what is kept, under which key, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import (
    IdentityUnknown,
    InternalError,
    PartnerUserRefused,
    PartnerUserUnknown,
    Refusal,
    Unreachable,
)
from talaria.domain.events import ExchangeFinished, RequestContext
from talaria.domain.exchange import CachePolicy
from talaria.domain.model import CachedIdentity, PartnerUserId, PersonalPhoneId
from talaria.testing import MemoryIdentityCache
from tests.support_refusals import by
from tests.unit.domain.support_exchange import FAULTS, PHONE, World, key, person
from tests.unit.support_time import run

by_reason = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.reason}-{fault.origin}")


def test_a_pair_is_found_once_and_then_known() -> None:
    async def main() -> None:
        world = World()
        context = RequestContext("r-1")
        assert await world.ask(context=context) == "u-1"
        assert (context.exchange, [a.dependency for a in context.attempts]) == ("miss", ["personal", "wind"])
        assert await world.ask(context=(again := RequestContext("r-2"))) == "u-1"
        assert (again.exchange, again.attempts) == ("hit", [])
        assert (world.calls, world.results) == ((1, 1), ["miss", "hit"])

    run(main())


def test_caller_partner_and_person_each_make_another_pair() -> None:
    async def main() -> None:
        world = World()
        assert await world.ask() == "u-1"
        assert await world.ask(person(caller="web")) == "u-1"
        assert await world.ask(person("p-2")) == "u-2"
        assert await world.ask(partner="bolt") == "bolt-1"
        assert world.results == ["miss"] * 4

    run(main())


def test_each_result_is_recorded_under_its_partner() -> None:
    async def main() -> None:
        world = World()
        for partner in ("bolt", "wind", "bolt"):
            await world.ask(partner=partner)
        world.directory.script.failing = Unreachable("personal")
        with pytest.raises(Unreachable):
            await world.ask(person("p-2"), partner="bolt")
        assert world.recorder.events == [
            ExchangeFinished("bolt", "miss"),
            ExchangeFinished("wind", "miss"),
            ExchangeFinished("bolt", "hit"),
            ExchangeFinished("bolt", "failed"),
        ]

    run(main())


words = st.text(alphabet="ab|:/,\x00 ", max_size=4)
triples = st.tuples(words, words, words)


@given(triples, triples)
def test_two_different_keys_never_share_an_entry(one: tuple[str, str, str], two: tuple[str, str, str]) -> None:
    kept = MemoryIdentityCache()
    first = CachedIdentity(PartnerUserId("one"), None, 1.0, 1.0, 0.0)
    kept.put((one[0], one[1], PersonalPhoneId(one[2])), first)
    found = kept.get((two[0], two[1], PersonalPhoneId(two[2])))
    assert found is (first if one == two else None)


def test_an_evicted_pair_is_exchanged_again() -> None:
    async def main() -> None:
        world = World(max_entries=1)
        await world.ask()
        await world.ask(person("p-2"))
        world.accounts.users[PHONE] = "u-9"
        assert await world.ask() == "u-9"
        assert world.results == ["miss"] * 3

    run(main())


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_an_expired_pair_is_exchanged_again_and_the_jitter_takes_a_tenth_at_most(jitter: float) -> None:
    async def main() -> None:
        world = World(jitter=jitter)
        await world.ask()
        world.accounts.users[PHONE] = "u-9"
        world.clock.move(900 * (1 - 0.1 * jitter) - 0.001)
        assert await world.ask() == "u-1"
        world.clock.move(0.002)
        assert await world.ask() == "u-9"

    run(main())


@given(st.floats(0, 1), st.floats(0.001, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_bounds_of_a_kept_pair(jitter: float, max_age: float, stale: float, now: float) -> None:
    pair = CachePolicy(max_age, 10.0, stale, lambda: jitter).pair(PartnerUserId("u"), now)
    assert now + 0.9 * max_age - 1e-6 <= pair.fresh_until <= now + max_age
    assert pair.stale_until == pair.fresh_until + stale


@pytest.mark.parametrize("unknown", [IdentityUnknown, PartnerUserUnknown])
def test_a_definite_no_is_remembered_for_its_own_time(unknown: type[Refusal]) -> None:
    async def main() -> None:
        world = World()
        world.directory.script.fail_next.append(unknown())
        with pytest.raises(unknown):
            await world.ask()
        world.clock.move(9.9)
        with pytest.raises(unknown):
            await world.ask()
        assert (world.calls[0], world.results) == (1, ["miss", "negative"])
        world.clock.move(0.2)
        assert await world.ask() == "u-1"

    run(main())


def test_a_remembered_no_never_serves_past_its_time_though_dependencies_fail() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.fail_next.append(IdentityUnknown())
        with pytest.raises(IdentityUnknown):
            await world.ask()
        world.clock.move(11)
        world.down(Unreachable("personal"))
        for _ in range(2):  # the second comes while there is known to be trouble
            with pytest.raises(Unreachable, check=by("personal")):
                await world.ask()

    run(main())


def test_a_refused_user_is_not_remembered() -> None:
    async def main() -> None:
        world = World()
        world.accounts.users[PHONE] = PartnerUserRefused()
        for _ in range(2):
            with pytest.raises(PartnerUserRefused):
                await world.ask()
        assert (world.calls, world.results) == ((2, 2), ["miss", "miss"])

    run(main())


@pytest.mark.parametrize("refusal", [PartnerUserRefused(), PartnerUserUnknown(), IdentityUnknown()], ids=repr)
def test_what_is_said_of_one_person_ends_the_flows_of_no_other(refusal: Refusal) -> None:
    async def main() -> None:
        world = World()
        await world.ask(person("p-2"))
        revocation = world.identities.revocations.of(key("p-2"))
        world.accounts.users[PHONE] = refusal
        with pytest.raises(type(refusal)):
            await world.ask()
        assert not revocation.revoked

    run(main())


@by_reason
def test_a_failure_is_told_and_not_kept(fault: Refusal) -> None:
    async def main() -> None:
        world = World()
        world.directory.script.fail_next.append(fault)
        context = RequestContext("r-1")
        with pytest.raises(type(fault)):
            await world.ask(context=context)
        assert (context.exchange, len(context.attempts), len(world.identities)) == ("failed", 1, 0)
        assert await world.ask() == "u-1"

    run(main())


def test_a_fault_of_ours_is_not_dressed_up() -> None:
    async def main() -> None:
        world = World()
        world.directory.script.fail_next.append(InternalError())
        with pytest.raises(InternalError):
            await world.ask()
        assert world.results == []
        assert await world.ask() == "u-1"

    run(main())
