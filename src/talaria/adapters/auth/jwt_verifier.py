"""Callers' tokens: which caller's, and for which person.

The steps of a token that is not known yet, each cheaper or harder to reach than the next:
1. its form (token_form.py), which believes nothing;
2. the issuer that it claims selects a caller, and from here on that caller's rules alone count;
3. claims that could not be good whoever signed them;
4. the caller's key for the token's `kid` and algorithm;
5. PyJWT: signature, issuer, audience, required claims;
6. last, whether its time is over: only a token that is good otherwise is called expired.

A token that passed is kept by its digest for a minute, never beyond its `exp` nor a change of its caller's keys. Bad
tokens are not kept, so no flood of them displaces good ones. PyJWT's own checks of times are off because they read
the machine's clock and take floats and digits in strings; the rules here do not.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import jwt
from cachetools import LRUCache
from jwt.types import Options

from talaria.adapters.auth.jwk import KeySource, VerifyingKey
from talaria.adapters.auth.jws import TOKEN_LIMIT, UnverifiedToken, read_token
from talaria.domain.errors import ExpiredToken, InvalidToken
from talaria.domain.model import PersonalPhoneId, Principal

KEPT_SECONDS = 60.0
LATEST_TIME = 253_402_300_799
"""The last second of the year 9999."""

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
    """What a caller's tokens must be. Times in seconds; `max_lifetime` bounds `exp - iat`."""

    name: str
    issuer: str
    audience: str
    algorithms: frozenset[str]
    keys: KeySource = field(repr=False)
    phone_id_claim: str = "personal_phone_id"
    leeway: float = 30.0
    max_lifetime: float = 86_400.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """A token that was good at `since`, and until when nobody needs to ask again."""

    person: Principal
    since: float
    until: float
    keys: KeySource
    generation: int


class CallerTokens:
    """The TokenVerifier of configured callers.

    `clock` is wall-clock seconds. Tokens of `own_issuers` (our service tokens) are refused whatever a caller's rules
    say: what we signed for an upstream must not come back as a client. Raises ValueError where two callers share an
    issuer.
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
        self._kept: LRUCache[bytes, _Kept] = LRUCache(max_entries)

    async def verify(self, token: bytes) -> Principal:
        """The person named by a token that is good now.

        Raises InvalidToken, ExpiredToken, or KeysUnavailable where the caller's keys could never be fetched.
        """
        person = self.recall(token)
        if person is None:
            kept = await self._verify_anew(token)
            self._kept[sha256(token).digest()] = kept
            person = kept.person
        return person

    def recall(self, token: bytes) -> Principal | None:
        """The person named by a token that was verified within the last minute and is good now; else None."""
        if len(token) > TOKEN_LIMIT:
            return None
        digest = sha256(token).digest()
        try:
            kept = self._kept[digest]
        except KeyError:
            return None
        # A clock that was set back makes a kept token unknown, not longer-lived.
        if kept.since <= self._clock() < kept.until and kept.generation == kept.keys.generation:
            return kept.person
        del self._kept[digest]
        return None

    async def _verify_anew(self, token: bytes) -> _Kept:
        if len(token) > TOKEN_LIMIT:
            raise InvalidToken("too long")
        form = read_token(token)
        rules = self._rules_of(form)
        phone_id = _check_claims(rules, form.claims, self._clock())
        key = await rules.keys.key_for(form.kid, form.algorithm)
        if key is None:
            raise InvalidToken("kid unknown")
        generation = rules.keys.generation
        _check_signature(rules, key, token)
        now, exp = self._clock(), form.claims["exp"]
        if exp + rules.leeway <= now:
            raise ExpiredToken("expired")
        until = min(exp, now + KEPT_SECONDS)
        person = Principal(rules.name, phone_id, self._pseudonym(rules.name, phone_id))
        return _Kept(person, now, until, rules.keys, generation)

    def _rules_of(self, form: UnverifiedToken) -> CallerRules:
        issuer = form.claims.get("iss")
        if not isinstance(issuer, str):
            raise InvalidToken("issuer")
        if issuer in self._own_issuers:
            raise InvalidToken("own issuer")
        rules = self._callers.get(issuer)
        if rules is None:
            raise InvalidToken("issuer")
        if form.algorithm not in rules.algorithms:
            raise InvalidToken("algorithm")
        return rules


def _check_claims(rules: CallerRules, claims: dict[str, Any], now: float) -> PersonalPhoneId:
    """The phone id of claims that only lack a signature and perhaps a time that is not over."""
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
    phone_id = PersonalPhoneId.parse(claims.get(rules.phone_id_claim))
    if phone_id is None:
        raise InvalidToken("phone id")
    return phone_id


def _time(claims: dict[str, Any], name: str, default: float) -> float:
    """A NumericDate that is an integer, as PyJWT would truncate a float or read a string of digits."""
    if name not in claims:
        return default
    value = claims[name]
    if type(value) is not int or not 0 <= value <= LATEST_TIME:
        raise InvalidToken(name)
    return value


def _check_signature(rules: CallerRules, key: VerifyingKey, token: bytes) -> None:
    """Everything that PyJWT verifies, against this caller alone."""
    options: Options = {
        "require": ["exp", "iss", "aud", rules.phone_id_claim],
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
    # Raised out of reach of the library's exception, whose text can quote the token.
    raise InvalidToken(cause)
