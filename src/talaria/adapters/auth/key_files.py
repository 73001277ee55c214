"""Key files: written once, read with care. PEM and JWK sets in, cryptography's key objects out.

A ValueError of this file says in one clean sentence what is wrong with a key, and never shows a part of it. The
libraries' own exceptions can quote what they were given, so they are cut off (`from None`).
"""

import os
import re
from pathlib import Path

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey
PublicKey = EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey

MIN_RSA_BITS = 2048
MIN_HMAC_BYTES = 32

_CURVES = {SECP256R1.name: "ES256", SECP384R1.name: "ES384"}
_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----\s*", re.DOTALL)


def write_new_key(path: Path) -> None:
    """A fresh P-256 private key as PKCS #8 PEM, readable by its owner alone from the first byte.

    Raises FileExistsError where anything stands at `path` (nothing is ever overwritten), or another OSError.
    """
    pem = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def load_signing_key(pem: bytes) -> tuple[PrivateKey, str]:
    """A private key and the algorithm that it signs with: ES256 (P-256), RS256 (RSA), EdDSA (Ed25519).

    Raises ValueError: not an unencrypted PEM private key, another kind of key, RSA under 2048 bits.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the private key is encrypted; give one without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is not a private key in PEM form") from None
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name == SECP256R1.name:
        return key, "ES256"
    if isinstance(key, Ed25519PrivateKey):
        return key, "EdDSA"
    if isinstance(key, RSAPrivateKey):
        _check_size(key.key_size)
        return key, "RS256"
    raise ValueError("this kind of key can't sign here; use P-256, RSA of 2048 bits or more, or Ed25519")


def load_public_keys(pem: bytes) -> list[PublicKey]:
    """Every public key (or certificate's key) in a PEM file, in order; at least one.

    Raises ValueError: no PEM, a private key among them, a kind of key that no algorithm here uses, RSA under 2048 bits.
    """
    blocks = list(_PEM_BLOCK.finditer(pem))
    if not blocks:
        raise ValueError("this is not a public key in PEM form")
    return [_public_key(block[1], block[0]) for block in blocks]


def check_key_set(document: bytes) -> None:
    """Look for what a verifier would pass over in a JWK set (RFC 7517), but the author of the file should know.

    Raises ValueError: no JWK set, no usable key in it, a private key among them, RSA under 2048 bits.
    """
    try:
        keys = jwt.PyJWKSet(msgspec.json.decode(document)["keys"]).keys
    except (msgspec.DecodeError, UnicodeDecodeError, jwt.PyJWTError, LookupError, TypeError, ValueError):
        raise ValueError("this is not a JWK set with a usable key") from None
    if any(isinstance(key.key, PrivateKey) for key in keys):
        raise ValueError("this JWK set holds a private key; give the public keys alone")
    for key in keys:
        if isinstance(key.key, RSAPublicKey):
            _check_size(key.key.key_size)


def algorithms_of(key: PublicKey) -> frozenset[str]:
    """The JWS algorithms that a public key verifies. Raises ValueError: an unused curve, RSA under 2048 bits."""
    if isinstance(key, EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise ValueError(f"no algorithm here uses the curve {key.curve.name}; use P-256 or P-384")
        return frozenset({_CURVES[key.curve.name]})
    if isinstance(key, Ed25519PublicKey):
        return frozenset({"EdDSA"})
    _check_size(key.key_size)
    return frozenset({"RS256", "PS256"})


def check_hmac_secret(secret: bytes) -> None:
    """Raises ValueError for a secret that is shorter than the hash of HS256."""
    if len(secret) < MIN_HMAC_BYTES:
        raise ValueError(f"the secret has {len(secret)} bytes; HS256 needs at least {MIN_HMAC_BYTES}")


def _public_key(kind: bytes, block: bytes) -> PublicKey:
    if kind.endswith(b"PRIVATE KEY"):
        raise ValueError("this file holds a private key; give the public key alone")
    try:
        certified = kind == b"CERTIFICATE"
        key = load_pem_x509_certificate(block).public_key() if certified else load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is not a public key in PEM form") from None
    if not isinstance(key, PublicKey):
        raise ValueError("no algorithm here uses this kind of key; use P-256, P-384, RSA or Ed25519")
    algorithms_of(key)
    return key


def _check_size(bits: int) -> None:
    if bits < MIN_RSA_BITS:
        raise ValueError(f"the RSA key has {bits} bits; at least {MIN_RSA_BITS} are needed")
