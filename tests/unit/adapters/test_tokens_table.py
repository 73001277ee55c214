"""Every known way to make a token that is not what it seems, and the good ones beside them."""

import pytest

from talaria.adapters.tokens import CallerTokens
from talaria.domain.errors import ExpiredToken, InvalidToken, Refusal
from tests.unit.adapters import token_cases_claims, token_cases_form, token_cases_header, token_cases_keys
from tests.unit.adapters.token_workshop import Case, verifier

CASES = token_cases_form.CASES + token_cases_header.CASES + token_cases_claims.CASES + token_cases_keys.CASES


@pytest.fixture(scope="module")
def tokens() -> CallerTokens:
    """One verifier for all cases: what one leaves behind must not help the next."""
    return verifier()


async def outcome(tokens: CallerTokens, token: bytes) -> tuple[type[Refusal] | None, str]:
    try:
        await tokens.verify(token)
    except Refusal as refusal:
        return type(refusal), refusal.cause
    return None, "good"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(case: Case, tokens: CallerTokens) -> None:
    kind = {"good": None, "expired": ExpiredToken}.get(case.expect, InvalidToken)
    token = case.token()
    assert await outcome(tokens, token) == (kind, case.expect)
    assert await outcome(tokens, token) == (kind, case.expect), "the second time is as the first"


def test_the_table_is_a_table() -> None:
    assert len(CASES) >= 150
    assert all(case.source for case in CASES)
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [case for case in CASES if case.twist], ids=lambda case: case.name)
def test_a_twist_twists(case: Case) -> None:
    assert case.twist is not None
    straight = Case(case.name, case.source, case.expect, case.header, case.claims, case.key, case.sign_as).token()
    assert case.twist(straight) != straight
