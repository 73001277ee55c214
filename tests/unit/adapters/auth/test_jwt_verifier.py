"""What the verifier keeps, for how long, and what it tells."""

import asyncio
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.auth.jwk import KeySource, VerifyingKey, pick, read_key_set
from talaria.adapters.auth.jwks import StaticKeys
from talaria.adapters.auth.jws import read_token
from talaria.adapters.auth.jwt_verifier import JwtVerifier
from talaria.domain.errors import ExpiredToken, InvalidToken, KeysUnavailable, Refusal
from talaria.domain.model import PersonalPhoneId, Principal
from talaria.testing.contracts.token_verifier import TokenVerifierContract
from tests.unit.adapters.auth.support_tokens import (
    APP,
    APP_SET,
    CALLERS,
    LEEWAY,
    MAX_LIFETIME,
    NESTED,
    NOW,
    Case,
    Wall,
    good_token,
    jwk,
    key_set,
    person_of,
    rules,
    verifier,
)


class TestJwtVerifier(TokenVerifierContract):
    def verifier(self) -> JwtVerifier:
        return verifier()

    def good_token(self) -> tuple[bytes, Principal]:
        return good_token(personal_phone_id="p-anna"), Principal("app", PersonalPhoneId("p-anna"))

    def expired_token(self) -> bytes:
        return good_token(iat=NOW - 1200, exp=NOW - 600)


class CountedKeys(StaticKeys):
    """Keys that count how often they are asked, and that can be replaced."""

    def __init__(self, document: bytes = APP_SET) -> None:
        super().__init__(read_key_set(document))
        self.asked = 0

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        self.asked += 1
        return await super().key_for(kid, algorithm)

    def replace(self, document: bytes) -> None:
        self._keys = read_key_set(document)
        self.generation += 1


def app_tokens(keys: StaticKeys, wall: Wall, max_entries: int = 10) -> JwtVerifier:
    caller = rules("app", APP, frozenset({"ES256"}), keys)
    return JwtVerifier([caller], wall, max_entries=max_entries)


async def refusal_of(tokens: JwtVerifier, token: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await person_of(tokens, token)
    return caught.value


async def test_a_good_token_names_caller_and_person() -> None:
    person = await verifier().verify(good_token())
    assert person == Principal("app", PersonalPhoneId("p-1"))


async def test_a_principal_knows_when_its_token_expires() -> None:
    exp = NOW + 77
    assert (await verifier().verify(good_token(exp=exp))).expires == exp


async def test_a_path_to_the_phone_id_goes_before_a_claim_of_its_name() -> None:
    nested: dict[str, object] = {"person": {"phone": {"id": "p-inside"}}, "person.phone.id": "p-outside"}
    person = await verifier().verify(good_token(iss=NESTED, **nested))
    assert person == Principal("nested", PersonalPhoneId("p-inside"))


NUMBERS = st.integers(NOW - 200_000, NOW + 200_000) | st.floats(NOW - 200_000, NOW + 200_000)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_times_are_judged_by_their_value_and_not_by_how_they_are_written(exp: float, iat: float, nbf: float) -> None:
    good = exp > NOW - LEEWAY and max(iat, nbf) <= NOW + LEEWAY and iat < exp <= iat + MAX_LIFETIME
    assert (verify_now(good_token(exp=exp, iat=iat, nbf=nbf)) == "good") == good


async def test_a_known_token_is_not_verified_again() -> None:
    keys, token = CountedKeys(), good_token()
    tokens = app_tokens(keys, Wall())
    first = await person_of(tokens, token)
    assert await person_of(tokens, token) is first
    assert keys.asked == 1


async def test_a_known_token_is_verified_again_after_a_minute() -> None:
    keys, wall, token = CountedKeys(), Wall(), good_token()
    tokens = app_tokens(keys, wall)
    await person_of(tokens, token)
    wall.seconds = NOW + 59.9
    await person_of(tokens, token)
    assert keys.asked == 1
    wall.seconds = NOW + 60
    await person_of(tokens, token)
    assert keys.asked == 2


async def test_a_known_token_is_not_kept_past_its_end() -> None:
    keys, wall, token = CountedKeys(), Wall(), good_token(exp=NOW + 10)
    tokens = app_tokens(keys, wall)
    await person_of(tokens, token)
    wall.seconds = NOW + 10
    await person_of(tokens, token)
    assert keys.asked == 2, "the leeway is given by verifying, not by keeping"
    wall.seconds = NOW + 40
    assert isinstance(await refusal_of(tokens, token), ExpiredToken)


async def test_a_known_token_falls_with_its_key() -> None:
    keys, token = CountedKeys(), good_token()
    tokens = app_tokens(keys, Wall())
    await person_of(tokens, token)
    keys.replace(key_set(jwk("ec-2")))
    assert (await refusal_of(tokens, token)).cause == "kid unknown"


async def test_a_known_token_falls_when_its_kid_gets_another_key() -> None:
    keys, token = CountedKeys(), good_token()
    tokens = app_tokens(keys, Wall())
    await person_of(tokens, token)
    keys.replace(key_set(jwk("stranger", "ec-1")))
    assert (await refusal_of(tokens, token)).cause == "signature"


async def test_a_clock_set_back_lengthens_nothing() -> None:
    keys, wall, token = CountedKeys(), Wall(), good_token()
    tokens = app_tokens(keys, wall)
    await person_of(tokens, token)
    wall.seconds = NOW - 20
    await person_of(tokens, token)
    assert keys.asked == 2


async def test_bad_tokens_displace_no_good_one() -> None:
    keys, token = CountedKeys(), good_token()
    tokens = app_tokens(keys, Wall(), max_entries=2)
    await person_of(tokens, token)
    for number in range(50):
        await refusal_of(tokens, token[:-4] + b"%04d" % number)
    asked = keys.asked
    await person_of(tokens, token)
    assert keys.asked == asked


async def test_the_oldest_of_too_many_goes() -> None:
    keys = CountedKeys()
    tokens = app_tokens(keys, Wall(), max_entries=2)
    one, two, three = (good_token(personal_phone_id=f"p-{n}") for n in range(3))
    for token in (one, two, one, three, one):
        await person_of(tokens, token)
    assert keys.asked == 3
    await person_of(tokens, two)
    assert keys.asked == 4


async def test_persons_are_not_mixed_up() -> None:
    tokens = verifier()
    names = [f"p-{n}" for n in range(8)] * 3
    persons = await asyncio.gather(*(person_of(tokens, good_token(personal_phone_id=name)) for name in names))
    assert persons == [Principal("app", PersonalPhoneId(name)) for name in names]


async def test_unavailable_keys_are_no_fault_of_the_token() -> None:
    class NoKeys(StaticKeys):
        async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
            raise KeysUnavailable("key set", retry_after=1.0)

    assert isinstance(await refusal_of(app_tokens(NoKeys([]), Wall()), good_token()), KeysUnavailable)


@pytest.mark.parametrize(
    ("claims", "caller"),
    [
        ({"exp": NOW - 600, "iat": NOW - 1200}, "app"),
        ({"aud": "another"}, "app"),
        ({"personal_phone_id": ""}, "app"),
        ({"iss": "https://stranger.example"}, ""),
        ({"iss": 1}, ""),
    ],
)
async def test_a_refusal_names_the_caller_that_the_token_claims(claims: dict[str, object], caller: str) -> None:
    assert (await refusal_of(verifier(), good_token(**claims))).caller == caller


@pytest.mark.parametrize("claims", [{"iss": "https://stranger.example"}, {"exp": "1"}, {"personal_phone_id": ""}])
async def test_a_hopeless_token_asks_for_no_key(claims: dict[str, object]) -> None:
    keys = CountedKeys()
    await refusal_of(app_tokens(keys, Wall()), good_token(**claims))
    assert keys.asked == 0


async def test_a_refusal_tells_nothing_of_the_token() -> None:
    canary = "canary-7f3a"
    texts = [
        Case("", "", "", header={"kid": canary}),
        Case("", "", "", header={"alg": canary}),
        Case("", "", "", claims={"personal_phone_id": canary + " "}),
        Case("", "", "", claims={"aud": canary}),
        Case("", "", "", claims={"iss": canary}),
        Case("", "", "", claims='{"x":"' + canary),
        Case("", "", "", claims={"sub": 1, "personal_phone_id": canary}),
        Case("", "", "", claims={"personal_phone_id": canary}, key="stranger"),
    ]
    tokens = verifier()
    for case in texts:
        refusal = await refusal_of(tokens, case.token())
        assert isinstance(refusal, InvalidToken)
        shown = "".join(traceback.format_exception(refusal)) + repr(refusal) + refusal.cause
        assert canary not in shown
        assert case.token().decode() not in shown


def test_nothing_private_is_printed() -> None:
    form = read_token(good_token(personal_phone_id="canary-7f3a"))
    assert "canary" not in repr(form)
    assert "keys" not in repr(CALLERS[0])


def test_two_callers_of_one_issuer_are_refused() -> None:
    with pytest.raises(ValueError, match="same issuer"):
        JwtVerifier([CALLERS[0], CALLERS[0]], Wall())


def test_static_keys_are_a_key_source() -> None:
    source: KeySource = StaticKeys([])
    assert source.generation == 0
    assert pick([], None, "ES256") is None


TOKEN = good_token()


def verify_now(token: bytes) -> str:
    """The outcome in one word, without an event loop: nothing here waits."""
    try:
        verifier().verify(token).send(None)
    except StopIteration:
        return "good"
    except (InvalidToken, ExpiredToken) as refusal:
        return refusal.cause
    return "waits"


@given(st.integers(0, len(TOKEN) - 1), st.integers(0, 255))
def test_no_changed_byte_passes(index: int, byte: int) -> None:
    changed = TOKEN[:index] + bytes([byte]) + TOKEN[index + 1 :]
    assert (verify_now(changed) == "good") == (changed == TOKEN)


@given(st.integers(0, len(TOKEN)), st.integers(0, len(TOKEN)), st.binary(max_size=8))
def test_no_spliced_token_passes(start: int, end: int, between: bytes) -> None:
    changed = TOKEN[:start] + between + TOKEN[end:]
    assert (verify_now(changed) == "good") == (changed == TOKEN)


@given(st.binary(max_size=400) | st.text(alphabet="eyJ.-_AQ", max_size=400).map(str.encode))
def test_no_garbage_passes_or_breaks(garbage: bytes) -> None:
    assert verify_now(garbage) not in ("good", "waits")
