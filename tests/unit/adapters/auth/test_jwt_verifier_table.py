"""Every known way to make a token that is not what it seems, and the good ones beside them."""

from dataclasses import replace

import pytest

from talaria.adapters.auth.jwt_verifier import JwtVerifier
from talaria.domain.errors import ExpiredToken, InvalidToken, Refusal
from tests.unit.adapters.auth import (
    support_cases_claims,
    support_cases_form,
    support_cases_header,
    support_cases_keys,
)
from tests.unit.adapters.auth.support_tokens import person_of, verifier

TABLES = {
    "form": support_cases_form.CASES,
    "header": support_cases_header.CASES,
    "claims": support_cases_claims.CASES,
    "keys": support_cases_keys.CASES,
}
CASES = [case for table in TABLES.values() for case in table]


@pytest.fixture(scope="module")
def tokens() -> JwtVerifier:
    """One verifier for all cases: what one leaves behind must not help the next."""
    return verifier()


async def outcome(tokens: JwtVerifier, token: bytes) -> tuple[type[Refusal] | None, str]:
    try:
        await person_of(tokens, token)
    except Refusal as refusal:
        return type(refusal), refusal.cause
    return None, "good"


@pytest.mark.parametrize("table", TABLES)
async def test_every_case_the_second_time_as_the_first(table: str, tokens: JwtVerifier) -> None:
    wrong = {}
    for case in TABLES[table]:
        kind = {"good": None, "expired": ExpiredToken}.get(case.expect, InvalidToken)
        token = case.token()
        outcomes = [await outcome(tokens, token) for _ in range(2)]
        if outcomes != [(kind, case.expect)] * 2:
            wrong[case.name] = outcomes
    assert wrong == {}


def test_the_table_is_a_table() -> None:
    assert len(CASES) >= 150
    assert all(case.source for case in CASES)
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_twist_twists() -> None:
    twisted = [(case, case.twist) for case in CASES if case.twist]
    straight = [(case.name, twist, replace(case, twist=None).token()) for case, twist in twisted]
    assert len(straight) > 50
    assert [name for name, twist, token in straight if twist(token) == token] == []
