"""Refusals that the token or the person earns."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.gateway.support_client import ask, request
from tests.integration.gateway.support_gateway import ISSUER, Gateway, Town, gateway_in, public_pem_of
from tests.integration.gateway.support_problem import refused


def now() -> int:
    """The time as tokens say it."""
    return int(time.time())


@pytest.mark.parametrize("line", [None, "Basic YTpi", "DPoP x", "x"])
async def test_no_token(gateway: Gateway, line: str | None) -> None:
    lines = [] if line is None else [f"authorization: {line}"]
    got = await ask(gateway.url, request(None, "/", *lines))
    await refused(gateway, got, "missing-token")
    assert got.head.one("www-authenticate") == "Bearer"


def parts(*values: object) -> str:
    """A token of these parts; no bytes but what JSON makes of them."""
    return ".".join(base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode() for value in values)


NOT_A_TIME = 7
BAD_CLAIMS = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another-service"},
    "no audience": {"aud": None},
    "no expiry": {"exp": None},
    "no person": {"personal_phone_id": None},
    "an empty person": {"personal_phone_id": ""},
    "a long person": {"personal_phone_id": "p" * 129},
    "a person with a space": {"personal_phone_id": "a b"},
    "a list of persons": {"personal_phone_id": ["ppid-a"]},
    "a person as a number": {"personal_phone_id": NOT_A_TIME},
    "not yet": {"nbf": 3600},
    "issued in the future": {"iat": 3600, "exp": 7200},
    "too long a life": {"exp": 90_000},
    "a time as text": {"exp": "600"},
    "our own issuer": {"iss": "talaria-proxy"},
}


def shifted(value: Any) -> Any:
    """Times are written from now on."""
    if value == "600":
        return str(now() + 600)
    return now() + value if isinstance(value, int | float) and value != NOT_A_TIME else value


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS.keys())
async def test_bad_claims(gateway: Gateway, town: Town, claims: dict[str, object]) -> None:
    got = await gateway.ask(token=town.token(None, **{name: shifted(value) for name, value in claims.items()}))
    await refused(gateway, got, "invalid-token")
    assert got.head.one("www-authenticate").startswith('Bearer error="invalid_token"')
    assert town.personal.calls == town.upstream.calls == 0


async def test_a_fractional_time_is_a_number(gateway: Gateway, town: Town) -> None:
    got = await gateway.ask(token=town.token(None, exp=now() + 600.5, iat=now() - 0.5))
    assert got.status == 200


async def test_bad_signatures_and_forms(gateway: Gateway, town: Town) -> None:
    good, claims, stranger = town.token(), town.claims(town.person()), ec.generate_private_key(ec.SECP256R1())
    head, body, signature = good.split(".")
    other = town.token().split(".")
    confused = jwt.utils.base64url_encode(public_pem_of(town.caller_key)).decode()
    tokens = [
        jwt.encode(claims, stranger, "ES256", headers={"kid": "app-1"}),
        jwt.encode(claims, stranger, "ES256", headers={"kid": "unknown"}),
        jwt.encode(claims, "k" * 64, "HS256", headers={"kid": "app-1"}),
        jwt.encode(claims, town.caller_key, "ES256", headers={"kid": "app-1", "typ": "logout+jwt"}),
        jwt.encode(claims, town.caller_key, "ES256", headers={"kid": "app-1", "crit": ["exp"]}),
        jwt.encode(claims, town.signing_key, "ES256", headers={"kid": "2026-11"}),
        jwt.encode({**claims, "iss": "talaria-proxy"}, town.signing_key, "ES256", headers={"kid": "2026-11"}),
        parts({"alg": "none", "typ": "JWT"}, claims) + ".",
        f"{parts({'alg': 'HS256', 'kid': 'app-1'}, claims)}.{confused}",
        f"{head}.{other[1]}.{signature}",
        f"{head}.{body}.", f"{head}.{body}", f".{body}.{signature}", good[:-3], f"{good}AAAA", f"{good}.x",
        f"{good}=", "x", "..", "a" * 20_000, "e30.e30.e30", good.replace(".", "..", 1), "\xff\xfe.a.b",
    ]  # fmt: skip
    for token in tokens:
        got = await gateway.ask(token=token)
        await refused(gateway, got, "invalid-token")
    assert (await gateway.ask(token=good)).status == 200


async def test_an_empty_token_is_an_invalid_one(gateway: Gateway) -> None:
    got = await ask(gateway.url, request(None, "/", "authorization: Bearer "))
    assert got.json()["reason"] in ("invalid-token", "missing-token")
    assert got.status == 401


async def test_an_expired_token(gateway: Gateway, town: Town) -> None:
    got = await gateway.ask(token=town.token(iat=now() - 900, exp=now() - 300))
    await refused(gateway, got, "expired-token")
    assert got.head.one("www-authenticate").startswith('Bearer error="invalid_token"')
    assert (await gateway.ask(token=town.token(iat=now() - 900, exp=now() - 5))).status == 200


async def test_the_scheme_in_any_case(gateway: Gateway, town: Town) -> None:
    for scheme in ("bearer", "BEARER", "Bearer "):
        got = await ask(gateway.url, request(None, "/", f"authorization: {scheme} {town.token()}"))
        assert got.status == 200


async def test_a_caller_that_the_route_does_not_admit(town: Town) -> None:
    (town.folder / "other.pem").write_bytes(public_pem_of(town.caller_key))
    other = {"issuer": "https://other.example", "public_key_file": "other.pem"}
    changes = {"callers": {"other": other}, "routes": {"wind": {"callers": ["app"]}}}
    async with gateway_in(town, changes) as gateway:
        got = await gateway.ask(token=town.token(iss="https://other.example"))
        line = await refused(gateway, got, "caller-not-allowed")
        assert line["caller"] == "other"
        assert (await gateway.ask(token=town.token(iss=ISSUER))).status == 200


async def test_a_person_unknown_to_personal(gateway: Gateway, town: Town) -> None:
    for exchange in ("miss", "negative"):
        got = await gateway.ask(token=town.token("ppid-ghost"))
        line = await refused(gateway, got, "identity-unknown")
        assert line["exchange"] == exchange
    assert (town.personal.calls, town.wind.calls) == (1, 0)


PARTNERS_WORDS = {
    "partner-user-unknown": (404, "user_not_found"),
    "partner-user-refused": (403, "user_blocked"),
}


@pytest.mark.parametrize(
    ("reason", "outcome"), [*PARTNERS_WORDS.items(), ("partner-user-refused", (422, "phone_not_supported"))]
)
async def test_a_person_that_the_partner_does_not_serve(
    gateway: Gateway, town: Town, reason: str, outcome: tuple[int, str]
) -> None:
    got = await gateway.ask(token=town.token(town.person(outcome)))
    await refused(gateway, got, reason)
    assert town.wind.calls == 1
    assert town.upstream.calls == 0
