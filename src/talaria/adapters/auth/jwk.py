"""Keys that verify callers' tokens, each bound to the algorithms that it may be used with.

The binding is the key's own (its type, its curve, a JWK's `alg`), never the token's: an EC key verifies no RS256, and
a public key is never a shared secret. RFC 7517 (JWK sets), RFC 8725 section 3.1.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from talaria.adapters.auth.key_files import PublicKey, algorithms_of, check_hmac_secret
from talaria.domain.model import KeyGeneration

ALGORITHMS = frozenset({"ES256", "ES384", "RS256", "PS256", "EdDSA", "HS256"})
DOCUMENT_LIMIT = 64 * 1024
"""Bytes: as for every answer that `dependency_client.py` reads; for a file no more than for a url."""
_MOST_RSA_BITS = 8192
"""What a verification may cost; the least is the rule of key_files.py."""
_LONGEST_MODULUS = 1500
"""A modulus of so many bits in base64url, with room for padding: a longer text is not even a number here."""

_READERS = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk, "OKP": OKPAlgorithm.from_jwk}


class BadKeySet(ValueError):
    """A document that is no JWK set."""


@dataclass(frozen=True, slots=True, eq=False)
class VerifyingKey:
    """A key and the algorithms that it may verify. `kid` is None where the key has no name."""

    key: PublicKey | bytes = field(repr=False)
    algorithms: frozenset[str]
    kid: str | None = None


class KeySource(KeyGeneration, Protocol):
    """The keys of one caller."""

    async def key_for(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The one key of this name that may verify `algorithm`; None where there is none, or no single one.

        Raises KeysUnavailable where no set was fetched within the last day.
        """


def public_key(key: PublicKey, kid: str | None = None) -> VerifyingKey:
    """A public key with every algorithm that its type and curve allow.

    Raises ValueError for an unused curve and for RSA under 2048 or over 8192 bits.
    """
    if isinstance(key, RSAPublicKey) and key.key_size > _MOST_RSA_BITS:
        raise ValueError(f"the RSA key has {key.key_size} bits; at most {_MOST_RSA_BITS} are taken")
    return VerifyingKey(key, algorithms_of(key), kid)


def secret_key(secret: bytes) -> VerifyingKey:
    """A shared secret, for HS256 alone. Raises ValueError where it is under 32 bytes or is a key in a file's form."""
    check_hmac_secret(secret)
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except PyJWTError:
        raise ValueError("a public key or a certificate is not a secret") from None
    return VerifyingKey(secret, frozenset({"HS256"}))


class _Document(msgspec.Struct):
    keys: list[Any]


def read_key_set(document: bytes) -> tuple[VerifyingKey, ...]:
    """The usable keys of a JWK set; the others are passed over. An empty set is a set.

    Raises BadKeySet where the document is over 64 KiB or is no JWK set.
    """
    if len(document) > DOCUMENT_LIMIT:
        raise BadKeySet("a key set of more than 64 KiB")
    try:
        entries = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadKeySet("not a JWK set") from None
    return tuple(key for key in map(_read_jwk, entries) if key is not None)


def _read_jwk(jwk: Any) -> VerifyingKey | None:
    if not isinstance(jwk, dict) or not _for_signatures(jwk) or not _is_cheap(jwk):
        return None
    kty, kid, alg = jwk.get("kty"), jwk.get("kid"), jwk.get("alg")
    reader = _READERS.get(kty) if isinstance(kty, str) else None
    if reader is None or not isinstance(kid, str | None) or not isinstance(alg, str | None):
        return None
    try:
        key = reader(jwk)
        bound = public_key(key, kid) if isinstance(key, PublicKey) else None
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return None
    if bound is None or alg is None:
        return bound
    return replace(bound, algorithms=frozenset({alg})) if alg in bound.algorithms else None


def _is_cheap(jwk: dict[str, Any]) -> bool:
    """Whether it can be read without a search: a private half (it was published, and proves nothing any more) would
    make the library look for the primes of an RSA key, which blocks the event loop for minutes.
    """
    modulus = jwk.get("n")
    return "d" not in jwk and not (isinstance(modulus, str) and len(modulus) > _LONGEST_MODULUS)


def _for_signatures(jwk: dict[str, Any]) -> bool:
    """Whether it is meant for signatures, or nothing is said of it (RFC 7517, 4.2 and 4.3)."""
    operations = jwk.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return False
    return jwk.get("use") in (None, "", "sig")


def pick(keys: Iterable[VerifyingKey], kid: str | None, algorithm: str) -> VerifyingKey | None:
    """The one key that fits; two that fit are as bad as none, but the same key twice is one key.

    Without a `kid` the keys may be called anything. Where the only key that fits has no name, it serves every `kid`.
    """
    fitting = [key for key in keys if algorithm in key.algorithms]
    if kid is not None and any(key.kid is not None for key in fitting):
        fitting = [key for key in fitting if key.kid == kid]
    return fitting[0] if fitting and all(key.key == fitting[0].key for key in fitting) else None
