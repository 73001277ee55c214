"""Service tokens, which tell an upstream for which user a request is, and the public keys that prove them.

Signing costs more than the rest of a warm request together, so a token is used again for the same claims until half of
its life is over. Both what is signed and what a token is kept under follow from all fields of the claims.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import jwt
from cachetools import LRUCache

from talaria.adapters.auth.key_files import PrivateKey
from talaria.domain.model import Sensitive, ServiceClaims, ServiceToken

KEY_SET_SECONDS = 300
"""How long others may hold a key set that they fetched here (`cache-control: max-age`)."""

_CLAIM_NAMES = {"subject": "sub", "audience": "aud"}
"""The claims that are not called like their field."""


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A private key, and its name in the published set. `algorithm` follows from the key's type."""

    kid: str
    key: PrivateKey = field(repr=False)
    algorithm: str


class ServiceTokenSigner:
    """The port `ServiceTokens`: a JWS (RFC 7515) by the first key; all keys are published.

    `iat` and `nbf` are `backdate` seconds earlier than now, for upstreams with a clock that is behind; `exp` is
    `lifetime` seconds from now, `wall` gives seconds since the epoch. `signed` is called with the kid and the `exp` of
    each new token. Raises ValueError without a key, for two of one name, and for a lifetime under two seconds, half of
    which no whole second fits into.
    """

    def __init__(
        self,
        keys: Sequence[SigningKey],
        issuer: str,
        lifetime: float,
        wall: Callable[[], float],
        max_entries: int = 10_000,
        signed: Callable[[str, float], object] = lambda kid, until: None,
        backdate: float = 0.0,
    ) -> None:
        if not keys or len({key.kid for key in keys}) != len(keys):
            raise ValueError("at least one signing key, each with a kid of its own")
        if lifetime < 2:
            raise ValueError("a service token lives for two seconds at least")
        self.keys = tuple(keys)
        self._signing = keys[0]
        self._jwks = json.dumps({"keys": [_public_jwk(key) for key in keys]}, separators=(",", ":")).encode()
        self._issuer = issuer
        self._lifetime = int(lifetime)
        self._backdate = backdate
        self._wall = wall
        self._signed = signed
        self._kept: LRUCache[ServiceClaims, ServiceToken] = LRUCache(max_entries)

    def token_for(self, claims: ServiceClaims) -> ServiceToken:
        now = self._wall()
        kept = self._kept.get(claims)
        # By a clock that was set back a token would live for longer than `lifetime`.
        if kept is None or not kept.since <= now < kept.until:
            since = int(now)
            half, end = since + self._lifetime / 2, since + self._lifetime
            kept = self._kept[claims] = ServiceToken(self._sign(claims, since), since, half, end)
        return kept

    def jwks(self) -> bytes:
        """All public keys as a JWK set (RFC 7517)."""
        return self._jwks

    def _sign(self, claims: ServiceClaims, now: int) -> bytes:
        issued, until = int(now - self._backdate), now + self._lifetime
        payload = {
            "iss": self._issuer,
            "iat": issued,
            "nbf": issued,
            "exp": until,
            "jti": token_hex(16),
            **_claims_of(claims),
        }
        signing = self._signing
        token = jwt.encode(payload, signing.key, algorithm=signing.algorithm, headers={"kid": signing.kid})
        self._signed(signing.kid, until)
        return token.encode()


def _claims_of(claims: ServiceClaims) -> dict[str, str]:
    """Every field by its claim's name; an empty one (the partner of a route without one) is left out."""
    texts = {field: part.reveal() if isinstance(part, Sensitive) else part for field, part in claims._asdict().items()}
    return {_CLAIM_NAMES.get(field, field): text for field, text in texts.items() if text}


def _public_jwk(signing: SigningKey) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name(signing.algorithm)
    jwk = algorithm.to_jwk(signing.key.public_key(), as_dict=True)
    return {**jwk, "kid": signing.kid, "use": "sig", "alg": signing.algorithm}
