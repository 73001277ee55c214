"""Which keys of a document are kept, and what each may verify."""

import contextlib
import json
import time
from base64 import urlsafe_b64encode
from random import Random

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.auth.jwk import DOCUMENT_LIMIT, BadKeySet, read_key_set, secret_key
from talaria.adapters.dependency_client import RESPONSE_LIMIT
from tests.support_rows import each_row
from tests.unit.adapters.auth.support_tokens import KEYS, SECRET, jwk, key_set


def private_jwk(name: str) -> object:
    """What should never be published."""
    method = jwt.get_algorithm_by_name({"rsa": "RS256", "ed": "EdDSA"}.get(name, "ES256"))
    private = {k: v for k, v in method.to_jwk(KEYS[name], as_dict=True).items() if k != "key_ops"}
    assert "d" in private
    return private


@each_row(
    "entry",
    [
        None,
        "ec-1",
        {},
        {"kty": "EC"},
        {"kty": ["EC"]},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": None, "e": "AQAB"},
        {"kty": "oct", "k": "A" * 43},
        {"kty": "quantum"},
        jwk("ec-1", use="enc"),
        jwk("ec-1", use=["sig"]),
        jwk("ec-1", use="SIG"),
        jwk("ec-1", use=0),
        jwk("ec-1", key_ops=["encrypt"]),
        jwk("ec-1", key_ops="verify"),
        jwk("ec-1", alg="ES384"),
        jwk("ec-1", alg="none"),
        jwk("ec-1", alg=["ES256"]),
        jwk("ec-1", d="AAAA"),
        *(private_jwk(name) for name in ("ec-1", "rsa", "ed")),
        jwk("rsa-weak"),
        {**jwk("ec-1"), "kid": 1},
    ],
)
def test_an_unusable_key_is_passed_over(entry: object) -> None:
    (key,) = read_key_set(key_set(entry, jwk("ec-2")))
    assert key.kid == "ec-2"


@pytest.mark.parametrize(
    ("name", "fields", "algorithms"),
    [
        ("ec-1", {}, {"ES256"}),
        ("p384", {}, {"ES384"}),
        ("ed", {}, {"EdDSA"}),
        ("rsa", {}, {"RS256", "PS256"}),
        ("rsa", {"alg": "PS256"}, {"PS256"}),
        ("ec-1", {"use": "sig", "alg": "ES256", "key_ops": ["verify"]}, {"ES256"}),
    ],
)
def test_a_key_is_bound_to_its_algorithms(name: str, fields: dict[str, object], algorithms: set[str]) -> None:
    (key,) = read_key_set(key_set({**jwk(name), **fields}))
    assert key.algorithms == algorithms


@pytest.mark.parametrize("bits", [8_192, 20_000])
def test_a_private_half_is_not_looked_into(bits: int) -> None:
    """From a modulus and a private exponent alone the primes are searched for: 8,192 bits took a second of CPU."""
    modulus, exponent = (urlsafe_b64encode(Random(seed).randbytes(bits // 8)).decode() for seed in (1, 2))
    entry = {"kty": "RSA", "kid": "private", "e": "AQAB", "n": modulus, "d": exponent}
    before = time.thread_time()
    (key,) = read_key_set(key_set(entry, jwk("ec-2")))
    assert key.kid == "ec-2"
    assert time.thread_time() - before < 0.5


@pytest.mark.parametrize("use", [None, ""])
def test_an_empty_use_says_nothing(use: str | None) -> None:
    """keycloak#31854."""
    (key,) = read_key_set(key_set(jwk("ec-1", use=use)))
    assert key.kid == "ec-1"


def test_every_key_of_a_full_document_is_kept() -> None:
    entries = [{**jwk("ec-1"), "kid": f"{number:03}"} for number in range(300)]
    document = key_set(*entries)
    assert len(document) < DOCUMENT_LIMIT
    assert [key.kid for key in read_key_set(document)] == [entry["kid"] for entry in entries]


def test_a_document_has_64_kib_at_most_from_a_file_as_from_a_url() -> None:
    assert DOCUMENT_LIMIT == RESPONSE_LIMIT == 64 * 1024
    document = json.dumps({"keys": [jwk("ec-1")], "x": ""}).encode()
    filled = document[:-2] + b"x" * (DOCUMENT_LIMIT - len(document)) + b'"}'
    assert len(filled) == DOCUMENT_LIMIT
    assert len(read_key_set(filled)) == 1
    with pytest.raises(BadKeySet):
        read_key_set(filled + b" ")


@pytest.mark.parametrize(("bits", "taken"), [(8192, True), (8193, False)])
def test_a_verification_costs_what_8192_bits_cost_at_most(bits: int, taken: bool) -> None:
    modulus = ((1 << (bits - 1)) + 1).to_bytes((bits + 7) // 8, "big")
    (entry,) = json.loads(key_set(jwk("rsa")))["keys"]
    entry["n"] = urlsafe_b64encode(modulus).decode().rstrip("=")
    assert len(read_key_set(key_set(entry))) == taken


def test_secrets_are_long_and_no_public_keys() -> None:
    with pytest.raises(ValueError, match="32"):
        secret_key(b"x" * 31)
    with pytest.raises(ValueError, match="not a secret"):
        secret_key(KEYS["rsa-pem"])


def test_a_secret_verifies_hs256_alone() -> None:
    key = secret_key(SECRET)
    assert (key.key, key.algorithms) == (SECRET, frozenset({"HS256"}))


def test_no_key_is_printed() -> None:
    assert SECRET.decode() not in repr(secret_key(SECRET))


fields = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "d", "k"])
words = st.sampled_from(["EC", "RSA", "OKP", "oct", "P-256", "Ed25519", "AQAB", "A" * 43, "ES256", "sig", "", "\u00e9"])
values = st.recursive(st.none() | st.booleans() | st.integers() | words, lambda inner: st.lists(inner, max_size=2))
entries = st.dictionaries(fields, values, max_size=8) | st.just(jwk("ec-1")) | values


@given(st.lists(entries, max_size=4))
def test_no_entry_breaks_the_reading_of_the_others(entries: list[object]) -> None:
    found = read_key_set(key_set(jwk("ec-2"), *entries, jwk("ed")))
    assert [found[0].kid, found[-1].kid] == ["ec-2", "ed"]


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,keys1e.-\\u', max_size=30).map(str.encode))
def test_no_garbage_breaks_the_reader(document: bytes) -> None:
    with contextlib.suppress(BadKeySet):
        assert read_key_set(document) == ()
