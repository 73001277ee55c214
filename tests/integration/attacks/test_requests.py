"""Requests that want to be another person's, or more than one: names, tags, targets and framings."""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.attacks.support_cases import Case, called, load
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.attacks.support_requests import raw_of, spellings
from tests.integration.gateway.support_client import request
from tests.integration.gateway.support_gateway import Town
from tests.integration.gateway.support_services import Seen

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def field(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Field]:
    async with field_in(Town(tmp_path_factory.mktemp("requests"))) as running:
        yield running


async def strike(field: Field, case: Case) -> list[Seen]:
    """Make this attack; what the upstream saw of it."""
    _, seen = await field.attack(raw_of(case, field.attacker), case.expect, upstream=case.more.get("upstream"))
    for line in case.lines("passes"):
        name, _, value = line.partition(": ")
        assert seen[0].head.all(name) == [value]
    if "seen_body" in case.more:
        assert seen[0].body == case.text("seen_body").encode("latin-1")
    return seen


@pytest.mark.parametrize("case", load("names"), ids=called)
async def test_name(field: Field, case: Case) -> None:
    await strike(field, case)


@pytest.mark.parametrize("seed", range(25))
async def test_twenty_generated_names(field: Field, seed: int) -> None:
    names = spellings(random.Random(seed), 20)
    lines = [f"{name}: mallory" for name in names]
    await field.attack(request(field.attacker, "/", *lines), ["200"])


@pytest.mark.parametrize("case", load("tags"), ids=called)
async def test_tag(field: Field, case: Case) -> None:
    await strike(field, case)


@pytest.mark.parametrize("case", load("targets"), ids=called)
async def test_target(field: Field, case: Case) -> None:
    seen = await strike(field, case)
    sent = raw_of(case, field.attacker).split(b"\r\n", 1)[0]
    assert [one.head.first for one in seen] == [sent] * len(seen)


@pytest.mark.parametrize("case", load("framings"), ids=called)
async def test_framing(field: Field, case: Case) -> None:
    await strike(field, case)
