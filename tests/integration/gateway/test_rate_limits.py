"""Limits of callers, persons and partners, on the wire. A limit of one an hour comes due again after no test."""

import asyncio
from typing import Any

from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in
from tests.integration.gateway.support_problem import check_problem, refused
from tests.support_paths import fast_path


def of_callers(**limits: str) -> dict[str, Any]:
    return {"callers": {"app": limits}}


async def check_limited(gateway: Gateway, person: str) -> None:
    got = await gateway.ask(token=gateway.town.token(person))
    line = await refused(gateway, got, "rate-limited")
    assert 3_000 <= int(got.head.one("retry-after") or 0) <= 3_600
    assert (line["caller"], line["tag"], line["exchange"]) == ("app", "wind", None)
    assert line["cause"].startswith("callers.app.")
    assert person not in str(line)


async def test_a_persons_limit_is_the_persons_alone_and_its_tokens_share_it(town: Town) -> None:
    async with gateway_in(town, of_callers(person_rate_limit="1/h burst 3")) as gateway:
        person, other = town.person(), town.person()
        for _ in range(3):
            assert (await gateway.ask(token=town.token(person))).status == 200
        await check_limited(gateway, person)
        assert (await gateway.ask(token=town.token(other))).status == 200
        assert len(town.upstream.seen) == 4


async def test_a_callers_limit_is_one_for_all_of_its_persons(town: Town) -> None:
    async with gateway_in(town, of_callers(rate_limit="1/h burst 3")) as gateway:
        for _ in range(3):
            assert (await gateway.ask()).status == 200
        await check_limited(gateway, town.person())


async def test_a_limit_counts_what_takes_the_fast_path(town: Town) -> None:
    async with gateway_in(town, of_callers(person_rate_limit="1/h burst 3")) as gateway:
        person = town.person()
        token = town.token(person)
        for _ in range(3):
            assert (await gateway.ask(token=token)).status == 200
        assert gateway.recorder.fast == 2 * fast_path()
        await check_limited(gateway, person)


async def test_what_is_refused_before_it_counts_for_no_limit(town: Town) -> None:
    async with gateway_in(town, of_callers(rate_limit="1/h", person_rate_limit="1/h")) as gateway:
        person = town.person()
        for _ in range(3):
            check_problem(await gateway.ask(token=town.token(person, aud="another")), "invalid-token")
            check_problem(await gateway.ask("/..", token=town.token(person)), "bad-request-target")
        assert (await gateway.ask(token=town.token(person))).status == 200
        await check_limited(gateway, person)


async def test_a_limit_comes_due_again(town: Town) -> None:
    async with gateway_in(town, of_callers(person_rate_limit="20/s burst 1")) as gateway:
        person = town.person()
        assert (await gateway.ask(token=town.token(person))).status == 200
        async with asyncio.timeout(5.0):
            while (await gateway.ask(token=town.token(person))).status != 200:
                await asyncio.sleep(0.01)


async def test_an_outgoing_limit_is_our_own_load(town: Town) -> None:
    async with gateway_in(town, {"partners": {"wind": {"rate_limit": "1/h burst 2"}}}) as gateway:
        known = town.person()
        for person in (known, town.person()):
            assert (await gateway.ask(token=town.token(person))).status == 200
        got = await gateway.ask()
        line = await refused(gateway, got, "overloaded")
        assert (line["exchange"], line["cause"]) == ("failed", "partners.wind.rate_limit")
        assert 3_000 <= int(got.head.one("retry-after") or 0) <= 3_600
        assert town.wind.calls == 2
        assert (await gateway.ask(token=town.token(known))).status == 200


async def test_a_pair_past_its_age_serves_while_an_outgoing_limit_is_used_up(town: Town) -> None:
    changes = {"partners": {"wind": {"rate_limit": "1/h"}}, "identities": {"max_age": "1ms"}}
    async with gateway_in(town, changes) as gateway:
        person = town.person()
        async with asyncio.timeout(5.0):
            while not town.upstream.seen or not town.upstream.seen[-1].head.all("x-talaria-identity"):
                assert (await gateway.ask(token=town.token(person))).status == 200
        assert town.wind.calls == 1


async def test_retries_count_for_an_outgoing_limit(town: Town) -> None:
    changes = {"partners": {"wind": {"rate_limit": "1/h burst 2", "attempts": 3}}}
    async with gateway_in(town, changes) as gateway:
        person = town.person((503, "busy"))
        await refused(gateway, await gateway.ask(token=town.token(person)), "partner-overloaded")
        assert town.wind.calls == 2
        await refused(gateway, await gateway.ask(), "overloaded")
        assert town.wind.calls == 2
        assert (await gateway.operators("/readyz")).status == 200
