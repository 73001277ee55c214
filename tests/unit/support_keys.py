"""Private keys of every kind, made once, and their forms as PEM and JWK."""

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

P256, ANOTHER_P256 = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
P384 = ec.generate_private_key(ec.SECP384R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused


def private_pem(key: Any, password: bytes | None = None) -> bytes:
    """A PKCS #8 file, encrypted if there is a password."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return pem


def public_pem(key: Any) -> bytes:
    """The public half's file."""
    pem: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def jwk(key: Any, **more: str) -> dict[str, Any]:
    """A key, or the public half of one, as a JWK."""
    algorithm: Any
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        algorithm = jwt.algorithms.RSAAlgorithm
    elif isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        algorithm = jwt.algorithms.ECAlgorithm
    else:
        algorithm = jwt.algorithms.OKPAlgorithm
    return {**algorithm.to_jwk(key, as_dict=True), **more}


def key_set(*keys: dict[str, Any]) -> bytes:
    """A JWK set of these."""
    return json.dumps({"keys": keys}).encode()


def set_of(**keys: Any) -> bytes:
    """A JWK set of the public halves, each under its kid."""
    return key_set(*(jwk(key.public_key(), kid=kid) for kid, key in keys.items()))
