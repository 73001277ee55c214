"""Warm persons do not notice that the exchange is down; a user unknown to the upstream is exchanged again, once."""

from functools import partial
from typing import Literal

import pytest

from talaria.sandbox.faults import Faults
from tests.integration.faults.support_faults import Harness, harness, hop_timeout
from tests.integration.faults.support_toxics import Toxic

PAST_MAX_AGE, PAST_STALE = 1000.0, 5000.0


async def warm(running: Harness) -> str:
    """A person with a cached pair."""
    (person,) = running.sandbox.add_persons(1)
    assert (await running.get(person)).status == 200
    return person


def identity_header(running: Harness) -> list[bytes]:
    """What the upstream was told of the identity's age."""
    return running.sandbox.talaria_services.requests.last.header(b"x-talaria-identity")


@pytest.mark.parametrize("kind", ["down", "timeout"])
@pytest.mark.parametrize("dependency", ["personal", "wind"])
async def test_warm_persons_see_no_failure(dependency: str, kind: Literal["down", "timeout"]) -> None:
    async with harness(hop_timeout(dependency, "1s")) as running:
        person = await warm(running)
        await running.relays[dependency].poison("request", Toxic(kind))
        assert ((await running.get(person)).status, identity_header(running)) == (200, [])
        running.clock.move(PAST_MAX_AGE)
        for _ in range(20):
            assert ((await running.get(person)).status, identity_header(running)) == (200, [b"stale"])
        assert await running.metric("talaria_exchange_total", partner="wind", result="stale") == 20
        assert await running.metric("talaria_5xx_avoided_total", tag="wind", by="stale") == 20
        assert await running.metric("talaria_5xx_total") == 0


async def test_one_refresh_behind_brings_a_fresh_pair_when_the_trouble_is_over() -> None:
    async with harness() as running:
        person = await warm(running)
        running.sandbox.wind.faults = Faults(error_rate=1, status=500)
        running.clock.move(PAST_MAX_AGE)
        await running.get(person)
        running.sandbox.wind.faults = Faults(latency=0.1)
        before = running.sandbox.wind.requests.count
        for _ in range(5):
            assert (await running.get(person)).status == 200
        assert running.sandbox.wind.requests.count == before + 1
        await running.sandbox.wind.requests.last.ended.wait()
        assert ((await running.get(person)).status, identity_header(running)) == (200, [])


async def test_a_pair_is_not_stale_for_ever() -> None:
    async with harness() as running:
        person = await warm(running)
        running.sandbox.wind.faults = Faults(error_rate=1)
        running.clock.move(PAST_STALE)
        assert (await running.get(person)).outcome == (503, "partner-overloaded")


async def test_a_definite_answer_is_never_overridden() -> None:
    async with harness() as running:
        person = await warm(running)
        running.sandbox.wind.blocked.add(running.sandbox.personal.phones[person])
        running.clock.move(PAST_MAX_AGE)
        assert (await running.get(person)).outcome == (403, "partner-user-refused")
        running.sandbox.wind.faults = Faults(error_rate=1)
        assert (await running.get(person)).outcome == (503, "partner-overloaded")  # nothing stale is left of it


async def test_an_unknown_user_is_exchanged_again_once() -> None:
    async with harness() as running:
        person = await warm(running)
        phone = running.sandbox.personal.phones[person]
        running.sandbox.talaria_services.unknown_users.add(running.sandbox.wind.users[phone])
        running.sandbox.wind.users[phone] = "wind-user-new"
        seen = await running.get(person)
        assert (seen.status, seen.user_id) == (200, "wind-user-new")
        assert await running.metric("talaria_5xx_avoided_total", by="healed") == 1
        running.sandbox.talaria_services.unknown_users.add("wind-user-new")
        before = running.sandbox.talaria_services.requests.count
        assert (await running.get(person)).status == 404
        assert running.sandbox.talaria_services.requests.count == before + 2  # one healing for each request, no more


async def test_a_request_that_matters_goes_on_under_a_young_pair_or_not_at_all() -> None:
    recheck = {"routes": {"wind": {"recheck": {"methods": ["POST"], "max_age": "1m"}}}}
    async with harness(recheck) as running:
        person = await warm(running)
        post = partial(running.ask, "POST", "/v1/rides/ride-1/end", running.sandbox.headers(person))
        phone = running.sandbox.personal.phones[person]
        running.sandbox.wind.users[phone] = "wind-user-new"  # the number has another owner
        running.clock.move(61)
        old = (await running.get(person)).user_id
        assert (old != "wind-user-new", (await post()).user_id) == (True, "wind-user-new")
        running.sandbox.wind.faults = Faults(error_rate=1)
        for past in (61, PAST_MAX_AGE):
            running.clock.move(past)
            assert ((await running.get(person)).status, identity_header(running)[:1] == [b"stale"]) == (200, past > 61)
            assert (await post()).outcome == (503, "partner-overloaded")
