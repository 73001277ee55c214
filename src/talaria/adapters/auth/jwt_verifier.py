"""Callers' tokens: JWTs (RFC 7519), verified by the rules and keys of the caller that issued them (RFC 8725).

The steps of a token that is not known yet, each cheaper or harder to reach than the next:
1. its form (jws.py), which believes nothing;
2. the issuer that it claims selects a caller, and from here on that caller's rules alone count;
3. claims that could not be good under any signature;
4. the caller's key for the token's `kid` and algorithm;
5. PyJWT: signature, issuer, audience, required claims;
6. last, whether its time is over: only a token that is good otherwise is called expired.

The verdict on a token that passed is kept by the token's digest for a minute, never beyond its `exp` nor a change of
its caller's keys. Bad tokens are not kept, so no flood of them displaces good ones. PyJWT's own checks of times are off
because they read the machine's clock and take digits in strings; the rules here do not.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf, isfinite
from typing import Any

import jwt
from cachetools import LRUCache
from jwt.types import Options

from talaria.adapters.auth.jwk import KeySource, VerifyingKey
from talaria.adapters.auth.jws import TOKEN_LIMIT, UnverifiedToken, read_token
from talaria.domain.errors import ExpiredToken, InvalidToken, Refusal
from talaria.domain.model import PersonalPhoneId, Principal, VerifiedToken

KEPT_SECONDS = 60.0

_CAUSES: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.InvalidSignatureError, "signature"),
    (jwt.InvalidAudienceError, "audience"),
    (jwt.InvalidIssuerError, "issuer"),
    (jwt.MissingRequiredClaimError, "claim missing"),
    (jwt.InvalidAlgorithmError, "algorithm"),
    (jwt.InvalidKeyError, "key"),
    (jwt.PyJWTError, "claims"),
)


@dataclass(frozen=True, slots=True)
class CallerRules:
    """What a caller's tokens must be. Times in seconds; `max_lifetime` bounds `exp - iat`.

    `phone_id_claim` is a claim, or a path of names with dots that reaches into objects. A name that has dots itself,
    such as a url, counts where the path leads nowhere.
    """

    name: str
    issuer: str
    audience: str
    algorithms: frozenset[str]
    keys: KeySource = field(repr=False)
    phone_id_claim: str = "personal_phone_id"
    leeway: float = 30.0
    max_lifetime: float = 86_400.0


class JwtVerifier:
    """The port `TokenVerifier` for configured callers.

    `clock` gives seconds since the epoch. Tokens of `own_issuers` (our service tokens) are refused whatever a caller's
    rules say: what we signed for an upstream must not come back as a client. Raises ValueError where two callers share
    an issuer.
    """

    def __init__(
        self,
        callers: Sequence[CallerRules],
        clock: Callable[[], float],
        own_issuers: Collection[str] = (),
        max_entries: int = 10_000,
        pseudonym: Callable[[str, PersonalPhoneId], str] = lambda caller, phone_id: "",
    ) -> None:
        self._callers = {rules.issuer: rules for rules in callers}
        if len(self._callers) != len(callers):
            raise ValueError("two callers have the same issuer")
        self._own_issuers = frozenset(own_issuers)
        self._clock = clock
        self._pseudonym = pseudonym
        self._verdicts: LRUCache[bytes, VerifiedToken] = LRUCache(max_entries)

    def recall(self, token: bytes) -> VerifiedToken | None:
        if len(token) > TOKEN_LIMIT:
            return None
        digest = sha256(token).digest()
        try:
            verdict = self._verdicts[digest]
        except KeyError:
            return None
        # A clock that was set back makes a token unknown, not longer-lived.
        if verdict.since <= self._clock() < verdict.until and verdict.generation == verdict.keys.generation:
            return verdict
        del self._verdicts[digest]
        return None

    async def verify(self, token: bytes) -> Principal:
        unverified = read_token(token)
        rules = self._rules_of(unverified)
        try:
            return await self._verified(rules, unverified, token)
        except Refusal as refusal:
            refusal.caller = rules.name
            raise

    async def _verified(self, rules: CallerRules, unverified: UnverifiedToken, token: bytes) -> Principal:
        phone_id, exp = _check_claims(rules, unverified.claims, self._clock())
        key = await rules.keys.key_for(unverified.kid, unverified.algorithm)
        if key is None:
            raise InvalidToken("kid unknown")
        generation = rules.keys.generation
        _check_signature(rules, key, token)
        now = self._clock()
        if exp + rules.leeway <= now:
            raise ExpiredToken("expired")
        principal = Principal(rules.name, phone_id, self._pseudonym(rules.name, phone_id), exp)
        verdict = VerifiedToken(principal, now, min(exp, now + KEPT_SECONDS), rules.keys, generation)
        self._verdicts[sha256(token).digest()] = verdict
        return principal

    def _rules_of(self, unverified: UnverifiedToken) -> CallerRules:
        issuer = unverified.claims.get("iss")
        if not isinstance(issuer, str):
            raise InvalidToken("issuer")
        if issuer in self._own_issuers:
            raise InvalidToken("own issuer")
        rules = self._callers.get(issuer)
        if rules is None:
            raise InvalidToken("issuer")
        if unverified.algorithm not in rules.algorithms:
            raise InvalidToken("algorithm")
        return rules


def _check_claims(rules: CallerRules, claims: dict[str, Any], now: float) -> tuple[PersonalPhoneId, float]:
    """The phone id and the `exp` of claims that only lack a signature and perhaps a time that is not over."""
    if "exp" not in claims:
        raise InvalidToken("exp")
    exp, iat, nbf = (_time(claims, name, now) for name in ("exp", "iat", "nbf"))
    soon = now + rules.leeway
    if nbf > soon:
        raise InvalidToken("nbf")
    if iat > soon:
        raise InvalidToken("iat")
    # Without an `iat` the token may have been issued a moment ago, by a clock that is `leeway` ahead.
    longest = rules.max_lifetime + (0 if "iat" in claims else rules.leeway)
    if exp - iat > longest or ("iat" in claims and exp <= iat):
        raise InvalidToken("lifetime")
    phone_id = PersonalPhoneId.parse(_claim(claims, rules.phone_id_claim))
    if phone_id is None:
        raise InvalidToken("phone id")
    return phone_id, exp


def _claim(claims: dict[str, Any], path: str) -> object:
    """What the path leads to, else the claim of that very name, else None."""
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return claims.get(path) if found is None else found


def _time(claims: dict[str, Any], name: str, default: float) -> float:
    """A NumericDate (RFC 7519, 2): any finite number, which a string of digits and true are not."""
    value = claims.get(name, default)
    try:
        seconds = float(value) if type(value) in (int, float) else inf
    except OverflowError:
        seconds = inf
    if not isfinite(seconds):
        raise InvalidToken(name)
    return seconds


def _check_signature(rules: CallerRules, key: VerifyingKey, token: bytes) -> None:
    """Everything that PyJWT verifies, against this caller alone."""
    options: Options = {
        "require": ["iss", "aud"],
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        "enforce_minimum_key_length": True,
    }
    try:
        jwt.decode(
            token,
            key.key,
            algorithms=list(rules.algorithms & key.algorithms),
            audience=rules.audience,
            issuer=rules.issuer,
            options=options,
        )
    except jwt.PyJWTError as error:
        cause = next(word for kind, word in _CAUSES if isinstance(error, kind))
    else:
        return
    # Raised out of reach of the library's exception: its text can quote the token.
    raise InvalidToken(cause)
