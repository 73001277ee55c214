"""When a remote key set is noticed to be well again."""

import pytest

from tests.unit.adapters.auth.support_jwks import BOTH, ONE, Issuer


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


async def test_the_end_of_a_failure_is_noticed_by_tokens_of_known_keys(issuer: Issuer) -> None:
    assert await issuer.knows("ec-1")
    issuer.answer = 500
    assert not await issuer.knows("ec-2")
    assert issuer.keys.state == "failing"
    issuer.answer = ONE
    issuer.clock.move(1.5)
    assert await issuer.knows("ec-1")
    await issuer.fetched(3)
    assert issuer.keys.state == "ok"


async def test_a_failed_fetch_tells_nothing_of_an_unknown_kid(issuer: Issuer) -> None:
    assert await issuer.knows("ec-1")
    issuer.answer = 500
    assert not await issuer.knows("ec-2")
    issuer.answer = BOTH
    issuer.clock.move(1.5)
    assert await issuer.knows("ec-2")
