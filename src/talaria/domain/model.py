"""The values that the rules are about: persons, partners, routes, what a service token says.

A personal value is a `Sensitive`: its `repr` and `str` say what it is and never what it holds, so that no log line,
traceback or f-string can leak one. The content comes from `reveal()` alone, and a reader can grep for that.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import ClassVar, Literal, NamedTuple, Protocol, Self

ExchangeResult = Literal["hit", "miss", "coalesced", "negative", "stale", "failed"]
Origin = Literal["client", "personal", "partner", "upstream", "caller-keys", "gateway"]
"""Whose fault a refusal is."""


class Sensitive:
    """A text that compares and hashes by content and never prints it. `_form` is what `parse` takes."""

    __slots__ = ("_text",)
    _label: ClassVar[str] = "<sensitive>"
    _form: ClassVar[re.Pattern[str]] = re.compile(r"(?s).*")

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """The value, or None where `text` has not its form."""
        return cls(text) if isinstance(text, str) and cls._form.fullmatch(text) else None

    def reveal(self) -> str:
        """The content, for the one adapter that sends it."""
        return self._text

    def __repr__(self) -> str:
        return self._label

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self._label, spec)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError(f"{self._label} is not pickled")


class PersonalPhoneId(Sensitive):
    """The opaque name of a person in a caller's token: 1 to 128 visible ASCII characters."""

    __slots__ = ()
    _label = "<personal_phone_id>"
    _form = re.compile(r"[\x21-\x7e]{1,128}")


class PhoneNumber(Sensitive):
    """A phone number in E.164. Lives inside one exchange, and the shadow behind it, and is kept nowhere."""

    __slots__ = ()
    _label = "<phone>"
    _form = re.compile(r"\+[1-9][0-9]{6,14}")


class EmailAddress(Sensitive):
    """An e-mail address, in place of the phone number where a partner knows persons by it. Kept nowhere either."""

    __slots__ = ()
    _label = "<email>"
    _form = re.compile(r"(?=.{3,254}\Z)[\x21-\x3f\x41-\x7e]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


Hop = Literal["personal.phone", "personal.email", "partner"]
"""One question of an exchange, to one system."""

PHONE_HOPS: tuple[Hop, ...] = ("personal.phone", "partner")
EMAIL_HOPS: tuple[Hop, ...] = ("personal.email", "partner")

Identity = PhoneNumber | EmailAddress
"""What a partner may know a person by."""
HOPS: Mapping[tuple[Hop, ...], type[Identity]] = {PHONE_HOPS: PhoneNumber, EMAIL_HOPS: EmailAddress}
"""What may be asked for each person, and what the partner is asked with then."""


class PartnerUserId(Sensitive):
    """A partner's own id of a person: 1 to 128 visible ASCII characters, no spaces."""

    __slots__ = ()
    _label = "<partner_user_id>"
    _form = PersonalPhoneId._form


@dataclass(frozen=True, slots=True)
class Principal:
    """The result of authentication: the caller, and the person that its token names.

    `phone_id` is None for a caller with an API key, which names no person. `pseudonym` stands for caller and person in
    log lines; it follows from them. `expires`: the end of the token, in seconds since the epoch.
    """

    caller: str
    phone_id: PersonalPhoneId | None
    pseudonym: str = field(default="", compare=False)
    expires: float = field(default=inf, compare=False)


class KeyGeneration(Protocol):
    """A caller's keys, as far as a token that was verified by them needs to know."""

    @property
    def generation(self) -> int:
        """Another number whenever the keys have changed: what was verified before is to be verified again."""
        ...


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token that is good from `since` to `until` (seconds since the epoch), while its keys are of this generation."""

    principal: Principal
    since: float
    until: float
    keys: KeyGeneration
    generation: int


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """A signed token, the half of its life in which it is handed out, and its end, in seconds since the epoch."""

    token: bytes = field(repr=False)
    since: float
    until: float
    expires: float = inf


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner as the request path needs it. `user_id_header` is in lower case."""

    id: str
    user_id_header: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """What one value of `x-api-tag` stands for. Times in seconds; no methods means every method.

    `identity_required` False: the route is for callers with an API key, nothing is exchanged, and the upstream is told
    of the caller only. For `recheck_methods` no pair serves that is older than `recheck_max_age`, and no stale one.
    """

    tag: str
    partner: Partner
    upstream: str
    callers: frozenset[str]
    methods: frozenset[str] = frozenset()
    timeout: float = 10.0
    upload_timeout: float = 300.0
    idle_timeout: float = 60.0
    identity_required: bool = True
    recheck_methods: frozenset[str] = frozenset()
    recheck_max_age: float = inf

    def takes(self, method: str) -> bool:
        """May a request of this method go this way?"""
        return not self.methods or method in self.methods

    def pair_max_age(self, method: str) -> float:
        """How old a pair may be, in seconds, that serves this method; infinite where the cache alone bounds it."""
        return self.recheck_max_age if method in self.recheck_methods else inf


class ServiceClaims(NamedTuple):
    """What a service token says: this subject of this partner, on this route, for this caller, for this audience.

    `subject` is the partner's user id; on a route without identity it is the caller's name, and `partner` may be
    empty.
    """

    subject: Sensitive
    partner: str
    tag: str
    caller: str
    audience: str


IdentityKey = tuple[str, str, PersonalPhoneId]
"""(partner, caller, personal_phone_id): a tuple, never a joined string."""


@dataclass(frozen=True, slots=True)
class CachedIdentity:
    """A kept result of an exchange: a user id, or the reason of the refusal that says there is none.

    Times in monotonic seconds. A pair serves until `fresh_until`, and until `stale_until` only while the dependencies
    fail. `exchanged_at`: when the answer came.
    """

    user_id: PartnerUserId | None
    unknown: str | None
    fresh_until: float
    stale_until: float
    exchanged_at: float
