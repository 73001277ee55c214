"""Keys that are taken, and keys that are not; a written key is its owner's alone."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from talaria.adapters.auth.key_files import (
    algorithms_of,
    check_hmac_secret,
    check_key_set,
    load_public_keys,
    load_signing_key,
    write_new_key,
)
from talaria.sandbox.certificates import write_certificate
from tests.unit.support_keys import ED25519, P256, P384, RSA, SMALL_RSA, jwk, key_set, private_pem, public_pem

P521 = ec.generate_private_key(ec.SECP521R1())
ED448 = ed448.Ed448PrivateKey.generate()


def test_a_written_key_is_a_p256_key_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    write_new_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signing_key(path.read_bytes())[1] == "ES256"


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        write_new_key(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(("key", "algorithm"), [(P256, "ES256"), (RSA, "RS256"), (ED25519, "EdDSA")])
def test_the_kind_of_a_signing_key_names_its_algorithm(key: Any, algorithm: str) -> None:
    assert load_signing_key(private_pem(key))[1] == algorithm


@pytest.mark.parametrize(
    ("pem", "sentence"),
    [
        (b"nonsense", "not a private key"),
        (b"", "not a private key"),
        (public_pem(P256), "not a private key"),
        (private_pem(P256, b"password"), "encrypted"),
        (private_pem(P384), "can't sign here"),
        (private_pem(ED448), "can't sign here"),
        (private_pem(SMALL_RSA), "1024 bits"),
    ],
)
def test_other_signing_keys_are_refused(pem: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        load_signing_key(pem)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_public_key_file_may_hold_several_keys() -> None:
    keys = load_public_keys(b"comment\n" + public_pem(P256) + public_pem(RSA) + public_pem(ED25519))
    assert [sorted(algorithms_of(key)) for key in keys] == [["ES256"], ["PS256", "RS256"], ["EdDSA"]]


@pytest.mark.parametrize(
    ("pem", "sentence"),
    [
        (b"nonsense", "not a public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a public key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a public key"),
        (private_pem(P256), "private key"),
        (public_pem(P521), "secp521r1"),
        (public_pem(ED448), "this kind of key"),
        (public_pem(SMALL_RSA), "1024 bits"),
    ],
)
def test_other_public_keys_are_refused(pem: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load_public_keys(pem)


def test_a_key_set_may_hold_keys_of_other_kinds() -> None:
    check_key_set(
        key_set(
            jwk(P256.public_key(), kid="a"),
            jwk(RSA.public_key(), kid="enc", use="enc"),
            jwk(P521.public_key(), kid="odd"),
            {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "mac"},
        )
    )


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"{", "not a JWK set"),
        (b"\xff", "not a JWK set"),
        (b"[]", "not a JWK set"),
        (b"{}", "not a JWK set"),
        (b'{"keys": 7}', "not a JWK set"),
        (key_set(), "not a JWK set"),
        (key_set(jwk(P256)), "holds a private key"),
        (key_set(jwk(SMALL_RSA.public_key())), "1024 bits"),
    ],
)
def test_other_key_sets_are_refused(document: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_key_set(document)


def test_a_short_hmac_secret_is_refused_without_being_shown() -> None:
    check_hmac_secret(b"x" * 32)
    with pytest.raises(ValueError, match="31 bytes") as refused:
        check_hmac_secret(b"hunter2" + b"x" * 24)
    assert "hunter2" not in str(refused.value)


def test_a_certificates_key_is_a_public_key(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "app")
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert load_public_keys(certificate.read_bytes() * 2) == [private.public_key()] * 2
