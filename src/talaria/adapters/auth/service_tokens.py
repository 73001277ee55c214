"""The tokens that tell an upstream who a request is for, and the public keys that prove them.

Header and claims are those of the contract with the upstream. Signing costs more than the rest of a warm request
together, so a grant's token is used again until half of its life is over.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import jwt
from cachetools import LRUCache

from talaria.adapters.auth.key_files import PrivateKey
from talaria.domain.model import ServiceClaims

KEY_SET_SECONDS = 300
"""How long others may hold a key set that they fetched here (`cache-control: max-age`)."""


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A private key under the name that upstreams know it by. `algorithm` follows from the key's type."""

    kid: str
    key: PrivateKey = field(repr=False)
    algorithm: str


@dataclass(frozen=True, slots=True)
class _Signed:
    """A token and the half of its life in which it is handed out, in wall-clock seconds."""

    token: bytes = field(repr=False)
    since: int
    until: float


_GrantKey = tuple[str, str, str, str, str]


class ServiceTokenSigner:
    """The ServiceTokens of this gateway: the first key signs, all are published.

    `lifetime` is in seconds, `wall` is wall-clock seconds. `signed` hears the kid and the end of each new token.
    Raises ValueError without a key, for two of one name, and for a lifetime under two seconds, half of which no whole
    second fits into.
    """

    def __init__(
        self,
        keys: Sequence[SigningKey],
        issuer: str,
        lifetime: float,
        wall: Callable[[], float],
        max_entries: int = 10_000,
        signed: Callable[[str, float], object] = lambda kid, until: None,
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
        self._wall = wall
        self._signed = signed
        self._kept: LRUCache[_GrantKey, _Signed] = LRUCache(max_entries)

    def token_for(self, grant: ServiceClaims) -> bytes:
        """A signed token with at least half of its life before it; the same as before while that holds."""
        # Plain strings: they keep their hash, and a cache hashes its key more than once.
        key = (grant.subject.reveal(), grant.partner, grant.tag, grant.caller, grant.audience)
        now = self._wall()
        try:
            kept = self._kept[key]
        except KeyError:
            pass
        else:
            # A clock that was set back would make `nbf` lie in the future.
            if kept.since <= now < kept.until:
                return kept.token
        issued = int(now)
        kept = _Signed(self._sign(grant, issued), issued, issued + self._lifetime / 2)
        self._kept[key] = kept
        return kept.token

    def jwks(self) -> bytes:
        """All public keys as a JWK set."""
        return self._jwks

    def _sign(self, grant: ServiceClaims, issued: int) -> bytes:
        claims = {
            "iss": self._issuer,
            "sub": grant.subject.reveal(),
            "aud": grant.audience,
            "iat": issued,
            "nbf": issued,
            "exp": issued + self._lifetime,
            "jti": token_hex(16),
            **({"partner": grant.partner} if grant.partner else {}),
            "tag": grant.tag,
            "caller": grant.caller,
        }
        signing = self._signing
        token = jwt.encode(claims, signing.key, algorithm=signing.algorithm, headers={"kid": signing.kid})
        self._signed(signing.kid, issued + self._lifetime)
        return token.encode()


def _public_jwk(signing: SigningKey) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name(signing.algorithm)
    jwk = algorithm.to_jwk(signing.key.public_key(), as_dict=True)
    return {**jwk, "kid": signing.kid, "use": "sig", "alg": signing.algorithm}
