"""Service tokens as the upstream sees them, and how long one serves."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.auth.key_files import load_signing_key
from talaria.adapters.auth.service_tokens import ServiceTokenSigner, SigningKey
from talaria.domain.model import PartnerUserId, ServiceClaims
from talaria.testing.contracts.service_tokens import ServiceTokensContract
from tests.unit.adapters.auth.support_tokens import KEYS, NOW, Wall

CLAIMS = ServiceClaims(PartnerUserId("w-1"), "wind", "wind-tag", "app", "talaria-services")
ALGORITHMS = {"ec-1": "ES256", "rsa": "RS256", "ed": "EdDSA"}


def signing_key(name: str) -> SigningKey:
    return SigningKey(f"kid-of-{name}", KEYS[name], ALGORITHMS[name])


def signer(
    *names: str, wall: Wall | None = None, lifetime: float = 60, max_entries: int = 10, backdate: float = 0
) -> ServiceTokenSigner:
    keys = [signing_key(name) for name in names or ("ec-1",)]
    return ServiceTokenSigner(keys, "talaria-proxy", lifetime, wall or Wall(), max_entries, backdate=backdate)


class TestServiceTokenSigner(ServiceTokensContract):
    def tokens(self) -> ServiceTokenSigner:
        return signer()


def opened(token: bytes, key: str = "ec-1", audience: str = "talaria-services") -> dict[str, object]:
    """The claims, with the signature checked and the times left alone: the clock here stands still."""
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims: dict[str, object] = jwt.decode(
        token,
        KEYS[key].public_key(),
        algorithms=[ALGORITHMS[key]],
        audience=audience,
        options=options,  # type: ignore[arg-type]
    )
    return claims


def test_the_claims_are_those_of_the_contract() -> None:
    claims = opened(signer().token_for(CLAIMS).token)
    jti = claims.pop("jti")
    assert isinstance(jti, str)
    assert len(jti) == 32
    assert claims == {
        "iss": "talaria-proxy",
        "sub": "w-1",
        "aud": "talaria-services",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 60,
        "partner": "wind",
        "tag": "wind-tag",
        "caller": "app",
    }


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_header_names_the_first_key(name: str) -> None:
    token = signer(name, *(other for other in ALGORITHMS if other != name)).token_for(CLAIMS).token
    assert jwt.get_unverified_header(token) == {"alg": ALGORITHMS[name], "kid": f"kid-of-{name}", "typ": "JWT"}
    assert opened(token, name)["sub"] == "w-1"


def test_a_token_serves_for_half_of_its_life() -> None:
    wall = Wall(NOW + 0.9)
    tokens = signer(wall=wall)
    first = tokens.token_for(CLAIMS).token
    wall.seconds = NOW + 29.9
    assert tokens.token_for(CLAIMS._replace()).token is first
    wall.seconds = NOW + 30
    second = tokens.token_for(CLAIMS)
    assert second.token != first
    assert opened(second.token)["exp"] == second.expires == NOW + 90


def test_a_clock_set_back_gives_a_token_that_holds_already() -> None:
    wall = Wall()
    tokens = signer(wall=wall)
    tokens.token_for(CLAIMS)
    wall.seconds = NOW - 5
    assert opened(tokens.token_for(CLAIMS).token)["nbf"] == NOW - 5


def changed(field: str) -> ServiceClaims:
    """The same claims but for one field."""
    return CLAIMS._replace(**{field: type(getattr(CLAIMS, field))("another")})


@pytest.mark.parametrize("field", ServiceClaims._fields)
def test_each_field_of_the_claims_is_said_and_selects_the_token(field: str) -> None:
    """A field that is signed and does not select the token would hand one request's token to another."""
    tokens, other = signer(), changed(field)
    first, second = tokens.token_for(CLAIMS).token, tokens.token_for(other).token
    assert second != first
    assert (tokens.token_for(CLAIMS).token, tokens.token_for(other).token) == (first, second)
    said, said_of_other = opened(first), opened(second, audience=other.audience)
    differing = {name for name in said if said[name] != said_of_other[name]} - {"jti"}
    assert [said_of_other[name] for name in differing] == ["another"]


def test_fields_that_join_to_the_same_text_are_not_the_same() -> None:
    tokens = signer()
    assert tokens.token_for(CLAIMS._replace(partner="windw", tag="ind-tag")).token != tokens.token_for(CLAIMS).token


def test_a_route_without_a_partner_says_none() -> None:
    assert "partner" not in opened(signer().token_for(CLAIMS._replace(partner="")).token)


def test_the_oldest_of_too_many_goes() -> None:
    tokens = signer(max_entries=2)
    one, two, three = (CLAIMS._replace(tag=str(number)) for number in range(3))
    first = tokens.token_for(one).token
    for claims in (two, one, three):
        tokens.token_for(claims)
    assert tokens.token_for(one).token is first


IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)


@given(st.lists(IDS, min_size=1, max_size=8))
def test_every_token_names_its_own_user(ids: list[str]) -> None:
    tokens = signer(max_entries=3)
    for user in ids + ids[::-1]:
        assert opened(tokens.token_for(CLAIMS._replace(subject=PartnerUserId(user))).token)["sub"] == user


@pytest.mark.parametrize(("backdate", "earlier"), [(0, 0), (5, 5), (1.5, 2), (0.25, 1), (3600, 3600)])
def test_a_token_is_good_by_a_clock_that_is_behind_and_for_no_longer(backdate: float, earlier: int) -> None:
    """indigo-iam#704: an upstream with a clock a second behind ours refuses what was issued just now."""
    wall = Wall(NOW + 0.0)
    claims = opened(signer(wall=wall, backdate=backdate).token_for(CLAIMS).token)
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (NOW - earlier, NOW - earlier, NOW + 60)


def test_a_clock_set_back_lengthens_no_life() -> None:
    wall = Wall()
    tokens = signer(wall=wall, backdate=30)
    tokens.token_for(CLAIMS)
    wall.seconds = NOW - 5
    assert opened(tokens.token_for(CLAIMS).token)["exp"] == NOW + 55


def test_the_end_of_each_new_token_is_told() -> None:
    """`talaria keys` says by it when a key that signed may go."""
    told: list[tuple[str, float]] = []
    tokens = ServiceTokenSigner(
        [signing_key("ec-1")], "talaria-proxy", 60, Wall(), signed=lambda *one: told.append(one), backdate=5
    )
    claims = opened(tokens.token_for(CLAIMS).token)
    tokens.token_for(CLAIMS)
    assert told == [("kid-of-ec-1", claims["exp"])] == [("kid-of-ec-1", NOW + 60)]


@given(st.floats(0, 1e9), st.floats(2, 86_400), st.floats(0, 3600))
def test_at_least_half_of_the_life_is_left(now: float, lifetime: float, backdate: float) -> None:
    wall = Wall(now + 3600)
    tokens = signer("ed", wall=wall, lifetime=lifetime, backdate=backdate)
    for step in (0, lifetime / 4, lifetime / 4, lifetime / 4):
        wall.seconds += step
        claims = opened(tokens.token_for(CLAIMS).token, "ed")
        life = int(lifetime)
        assert claims["iat"] == claims["nbf"]
        assert life / 2 <= int(str(claims["exp"])) - wall.seconds <= life
        assert int(str(claims["exp"])) - life - backdate - 1 < int(str(claims["nbf"])) <= wall.seconds - backdate


def test_all_public_keys_are_published() -> None:
    published = json.loads(signer("ec-1", "rsa", "ed").jwks())["keys"]
    assert [(key["kid"], key["use"], key["alg"]) for key in published] == [
        (f"kid-of-{name}", "sig", algorithm) for name, algorithm in ALGORITHMS.items()
    ]
    assert not any({"d", "p", "q", "dp", "dq", "qi"} & key.keys() for key in published)


def test_a_published_key_proves_a_token() -> None:
    tokens = signer("rsa", "ec-1")
    key = jwt.PyJWKSet.from_json(tokens.jwks().decode())["kid-of-rsa"]
    assert jwt.PyJWS().decode(tokens.token_for(CLAIMS).token, key)


def test_a_key_file_makes_a_signer() -> None:
    pem = KEYS["ec-1"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key, algorithm = load_signing_key(pem)
    tokens = ServiceTokenSigner([SigningKey("a", key, algorithm)], "talaria-proxy", 60, Wall())
    assert opened(tokens.token_for(CLAIMS).token)["sub"] == "w-1"


def test_what_cannot_sign_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ServiceTokenSigner([], "talaria-proxy", 60, Wall())
    with pytest.raises(ValueError, match="kid of its own"):
        signer("ec-1", "ec-1")
    with pytest.raises(ValueError, match="two seconds"):
        signer(lifetime=1)


def test_nothing_private_is_printed() -> None:
    tokens = signer()
    token = tokens.token_for(CLAIMS).token.decode()
    assert "key=" not in repr(signing_key("ec-1"))
    assert token not in repr(tokens)
    assert token not in repr(vars(tokens))
