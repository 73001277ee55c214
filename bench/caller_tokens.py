"""Callers' tokens: an ES256 key of the benchmark's own, and one real token for each person."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = "https://id.bench.example"
AUDIENCE = "talaria-proxy"
KID = "bench"


@dataclass(slots=True)
class Callers:
    """A key, its public forms as files in `folder`, and tokens signed with it."""

    folder: Path
    key: ec.EllipticCurvePrivateKey

    @property
    def public_pem(self) -> Path:
        """The public key as PEM."""
        return self.folder / "caller.pub.pem"

    @property
    def jwks(self) -> Path:
        """The public key as a key set."""
        return self.folder / "caller.jwks.json"

    def token(self, person: str) -> str:
        """A token of `person` that is good for an hour."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3600, "personal_phone_id": person}
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": KID})

    def tokens(self, first: int, count: int, step: int = 1) -> Path:
        """A file with one token in each line, of `count` persons from `first` on, every `step`th. Made once."""
        path = self.folder / f"tokens-{first}-{count}-{step}"
        if not path.exists():
            numbers = range(first, first + count * step, step)
            path.write_text("".join(self.token(person_id(number)) + "\n" for number in numbers))
        return path


def person_id(number: int) -> str:
    """The personal_phone_id of the person of this number."""
    return f"person-{number:08d}"


def user_id(number: int) -> str:
    """The partner's user id of the person of this number."""
    return f"user-{number:08d}"


def new_callers(folder: Path) -> Callers:
    """A new key, written to `folder`."""
    made = Callers(folder, ec.generate_private_key(ec.SECP256R1()))
    made.public_pem.write_bytes(public_pem(made.key))
    entry = {**ECAlgorithm.to_jwk(made.key.public_key(), as_dict=True), "kid": KID, "use": "sig", "alg": "ES256"}
    made.jwks.write_text(json.dumps({"keys": [entry]}))
    return made


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half, in PEM."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private half, in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
