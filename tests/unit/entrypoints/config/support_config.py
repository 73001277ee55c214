"""What the configuration's tests are made with: keys of every kind as PEM and JWK."""

import json
from pathlib import Path
from typing import Annotated, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from msgspec import Meta

from talaria.entrypoints.config.decoding import convert
from talaria.entrypoints.config.sources import LoadContext

ENVIRON = {"PERSONAL_TOKEN": "personal-canary", "WIND_API_KEY": "wind-canary", "TALARIA_SERVICES_API_KEY": "up-canary"}

P256, ANOTHER_P256 = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
P384 = ec.generate_private_key(ec.SECP384R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused


HERE = LoadContext(Path("/etc/talaria"), {})


def read(type: Any, value: object, context: LoadContext = HERE) -> Any:
    """What a value of the file becomes as this type, or as one that has nothing but this Meta."""
    return convert(value, Annotated[Any, type] if isinstance(type, Meta) else type, context)


def private_pem(key: Any) -> bytes:
    """An unencrypted PKCS #8 file."""
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def public_pem(key: Any) -> bytes:
    """The public half's file."""
    pem: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def key_set(**keys: Any) -> bytes:
    """A JWK set of public keys, each under its kid."""
    return json.dumps({"keys": [{**_jwk(key.public_key()), "kid": kid} for kid, key in keys.items()]}).encode()


def _jwk(key: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPublicKey):
        return dict(jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True))
    if isinstance(key, ec.EllipticCurvePublicKey):
        return dict(jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True))
    return dict(jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True))
