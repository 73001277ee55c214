"""Where tests make tokens, good and bad: keys, callers, a clock that stands still, and cases as data."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from talaria.adapters.auth.jwk import public_key, read_key_set, secret_key
from talaria.adapters.auth.jwks import StaticKeys
from talaria.adapters.auth.jwt_verifier import CallerRules, JwtVerifier
from talaria.domain.model import Principal
from talaria.domain.ports import TokenVerifier
from tests.unit.support_keys import RSA, SMALL_RSA

NOW = 1_800_000_000
LEEWAY, MAX_LIFETIME = 30, 86_400
APP, MANY, HMAC, PEM, BOUND = (f"https://{name}.example" for name in ("app", "many", "hmac", "pem", "bound"))
NAMELESS, TWICE, NESTED, SPACED = (f"https://{name}.example" for name in ("nameless", "twice", "nested", "spaced"))
OWN = "talaria-proxy"
SECRET = b"a shared secret of 32 bytes or so"
GONE: Any = object()
"""In a case: this header field or claim is not there."""

KEYS: dict[str, Any] = {
    "ec-1": ec.generate_private_key(ec.SECP256R1()),
    "ec-2": ec.generate_private_key(ec.SECP256R1()),
    "ec-many": ec.generate_private_key(ec.SECP256R1()),
    "stranger": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p384-2": ec.generate_private_key(ec.SECP384R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
    "rsa": RSA,
    "rsa-weak": SMALL_RSA,
    "secret": SECRET,
    "rsa-pem": RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "rsa-der": RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "empty": b"",
}
HEADER = {"typ": "JWT", "alg": "ES256", "kid": "ec-1"}
CLAIMS = {"iss": APP, "aud": "talaria-proxy", "iat": NOW - 60, "exp": NOW + 600, "personal_phone_id": "p-1"}


def jwk(name: str, kid: str | None = None, **fields: object) -> dict[str, Any]:
    """The public half of a key of this workshop as a JWK."""
    key = KEYS[name].public_key()
    algorithm = {"rsa": "RS256", "rsa-weak": "RS256", "ed": "EdDSA", "p384": "ES384", "p384-2": "ES384"}.get(
        name, "ES256"
    )
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(key, as_dict=True)
    public.pop("key_ops", None)
    everything = {**public, "kid": kid or name, **fields}
    return {field: value for field, value in everything.items() if value is not GONE}


def key_set(*jwks: object) -> bytes:
    """A JWK set."""
    return json.dumps({"keys": jwks}).encode()


def bound_set() -> bytes:
    """Keys of which each is bound to a use of its own, or to none."""
    secret = urlsafe_b64encode(SECRET).decode()
    return key_set(
        jwk("rsa", "ps-only", alg="PS256"),
        jwk("ec-1", "enc", use="enc"),
        jwk("ec-1", "ops", key_ops=["deriveKey"]),
        jwk("ec-1", "private", d="AQAB"),
        jwk("ec-1", "misnamed", alg="RS256"),
        jwk("rsa-weak", "weak"),
        jwk("ec-1", "twin"),
        jwk("ec-2", "twin"),
        {"kty": "oct", "k": secret, "kid": "oct", "alg": "HS256"},
    )


NAMELESS_SET = key_set(jwk("ec-1", kid=GONE), jwk("rsa"), jwk("p384", kid=GONE), jwk("p384-2", "second"))
TWICE_SET = key_set(
    jwk("ec-1"),
    jwk("ec-1"),
    jwk("ec-1", use="sig", alg="ES256"),
    jwk("rsa", alg="PS256"),
    jwk("rsa"),
    jwk("rsa", "other"),
    jwk("ed", kid=GONE),
    jwk("ed", kid=GONE),
    jwk("p384", "old"),
    jwk("p384-2", "new"),
)
ASYMMETRIC = frozenset({"ES256", "ES384", "RS256", "PS256", "EdDSA"})
APP_SET = key_set(*(jwk(name) for name in ("ec-1", "ec-2", "p384", "rsa", "ed")))
MANY_SET = key_set(jwk("ec-many", "ec-1"), *(jwk(name) for name in ("p384", "rsa", "ed")))


def rules(
    name: str, issuer: str, algorithms: frozenset[str], keys: StaticKeys, phone_id_claim: str = "personal_phone_id"
) -> CallerRules:
    """A caller with the limits of this workshop."""
    return CallerRules(name, issuer, "talaria-proxy", algorithms, keys, phone_id_claim, LEEWAY, MAX_LIFETIME)


CALLERS = (
    rules("app", APP, frozenset({"ES256"}), StaticKeys(read_key_set(APP_SET))),
    rules("many", MANY, ASYMMETRIC, StaticKeys(read_key_set(MANY_SET))),
    rules("hmac", HMAC, frozenset({"HS256"}), StaticKeys([secret_key(SECRET)], any_kid=True)),
    rules("pem", PEM, frozenset({"RS256"}), StaticKeys([public_key(RSA.public_key())], any_kid=True)),
    rules("bound", BOUND, ASYMMETRIC | {"HS256"}, StaticKeys(read_key_set(bound_set()))),
    rules("nameless", NAMELESS, ASYMMETRIC, StaticKeys(read_key_set(NAMELESS_SET))),
    rules("twice", TWICE, ASYMMETRIC, StaticKeys(read_key_set(TWICE_SET))),
    rules("nested", NESTED, frozenset({"ES256"}), StaticKeys(read_key_set(APP_SET)), "person.phone.id"),
    rules("spaced", SPACED, frozenset({"ES256"}), StaticKeys(read_key_set(APP_SET)), "https://app.example/phone_id"),
    rules("own", OWN, frozenset({"ES256"}), StaticKeys(read_key_set(APP_SET))),
)


class Wall:
    """A clock that a test sets."""

    def __init__(self, seconds: float = NOW) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def verifier(wall: Wall | None = None) -> JwtVerifier:
    """All callers of this workshop behind one verifier, at NOW."""
    return JwtVerifier(CALLERS, wall or Wall(), own_issuers=(OWN,))


async def person_of(tokens: TokenVerifier, token: bytes) -> Principal:
    """What the gateway does: a token that is not known is verified."""
    recalled = tokens.recall(token)
    return await tokens.verify(token) if recalled is None else recalled.principal


Twist = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Case:
    """A token and what becomes of it.

    `expect` is "good", "expired" or the cause of the refusal, so that no case passes for another's reason. `header`
    and `claims` change the good ones (GONE takes away), or are the whole text. `twist` changes the signed token.
    """

    name: str
    source: str
    expect: str
    header: Mapping[str, object] | str | bytes = field(default_factory=dict)
    claims: Mapping[str, object] | str | bytes = field(default_factory=dict)
    key: str = "ec-1"
    sign_as: str = "ES256"
    twist: Twist | None = None

    def token(self) -> bytes:
        """The token of this case."""
        token = sign(_json(HEADER, self.header), _json(CLAIMS, self.claims), self.key, self.sign_as)
        return self.twist(token) if self.twist else token


def good_token(**claims: object) -> bytes:
    """A token of the caller `app` that is good at NOW."""
    return Case("good", "", "good", claims=claims).token()


def sign(header: bytes, payload: bytes, key: str, algorithm: str) -> bytes:
    """A compact JWS over any bytes."""
    signed = b".".join((b64(header), b64(payload)))
    method = jwt.get_algorithm_by_name(algorithm)
    if algorithm == "HS256":
        # PyJWT refuses to prepare a public key as a secret; an attacker does not.
        return signed + b"." + b64(method.sign(signed, KEYS[key]))
    return signed + b"." + b64(method.sign(signed, method.prepare_key(KEYS[key])))


def b64(data: bytes) -> bytes:
    """Base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=")


def unb64(part: bytes) -> bytes:
    """What `b64` made it from."""
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def part(index: int, change: Twist) -> Twist:
    """A twist of one of the three parts alone."""

    def twist(token: bytes) -> bytes:
        parts = token.split(b".")
        parts[index] = change(parts[index])
        return b".".join(parts)

    return twist


def _json(base: Mapping[str, object], change: Mapping[str, object] | str | bytes) -> bytes:
    if isinstance(change, bytes):
        return change
    if isinstance(change, str):
        return change.encode()
    merged = {name: value for name, value in {**base, **change}.items() if value is not GONE}
    return json.dumps(merged, separators=(",", ":")).encode()
