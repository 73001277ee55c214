"""Tokens, end to end: every known way to make one that is not what it seems, and the good ones beside them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.attacks.support_cases import Case, called, load
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.attacks.support_hostile_tokens import Forge, callers_of, prepare, request_with

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def field(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Field]:
    town = prepare(tmp_path_factory.mktemp("tokens"))
    async with field_in(town, lambda town: {"callers": callers_of(town)}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def forge(field: Field) -> Forge:
    return Forge(field.town)


@pytest.mark.parametrize("case", load("tokens"), ids=called)
async def test_token(field: Field, forge: Forge, case: Case) -> None:
    token, user_id = forge.forged(case)
    data = request_with(token, case)
    await field.attack(data, case.expect, user_id=user_id, canaries=[token] if len(token) > 20 else [])
