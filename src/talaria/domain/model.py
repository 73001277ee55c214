"""The values that a request meets on its way. Frozen unless the docstring says otherwise.

Personal values are opaque: their `repr` and `str` say what they are, never what they hold, so that no log line,
traceback or f-string can leak one. Who needs the content calls `reveal()`, and a reader can grep for that.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple, Protocol, Self

Header = tuple[bytes, bytes]
"""One header line: the name in lower case, the value as it came, without outer white space."""

Headers = list[Header]

_NO_CONTENT: Header = (b"content-length", b"0")
_CHUNKED: Header = (b"transfer-encoding", b"chunked")

ExchangeResult = Literal["hit", "miss", "coalesced", "negative", "stale", "failed"]
Origin = Literal["client", "personal", "partner", "upstream", "caller-keys", "gateway"]
"""Whose fault a refusal is."""


class Opaque:
    """A text that compares and hashes by content and never prints it. `_form` is what `parse` takes."""

    __slots__ = ("_text",)
    _label: ClassVar[str] = "<opaque>"
    _form: ClassVar[re.Pattern[str]] = re.compile(r"(?s).*")

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """The value, or None where `text` has not the form of one."""
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


class PersonalPhoneId(Opaque):
    """The opaque name of a person in a caller's token: 1 to 128 visible ASCII characters."""

    __slots__ = ()
    _label = "<personal_phone_id>"
    _form = re.compile(r"[\x21-\x7e]{1,128}")


class PhoneNumber(Opaque):
    """A phone number in E.164. Lives inside one exchange and is kept nowhere."""

    __slots__ = ()
    _label = "<phone>"
    _form = re.compile(r"\+[1-9][0-9]{6,14}")


class PartnerUserId(Opaque):
    """A partner's own id of a person: 1 to 128 visible ASCII characters, no spaces."""

    __slots__ = ()
    _label = "<partner_user_id>"
    _form = re.compile(r"[\x21-\x7e]{1,128}")


NOBODY = PersonalPhoneId("")
"""Stands for the person where a caller names none; no token can name it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who stands behind a verified token: the caller (issuer) that named the person, and the name it used.

    `pseudonym` stands for both in lines; it follows from them.
    """

    caller: str
    phone_id: PersonalPhoneId
    pseudonym: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner as the request path needs it. `user_id_header` is in lower case."""

    id: str
    user_id_header: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """What one value of `x-api-tag` stands for. Times in seconds; no methods means every method.

    `personless`: it is for callers with an API key, nothing is exchanged, and the upstream is told of the caller only.
    """

    tag: str
    partner: Partner
    upstream: str
    callers: frozenset[str]
    methods: frozenset[str] = frozenset()
    timeout: float = 10.0
    idle_timeout: float = 60.0
    personless: bool = False


class Grant(NamedTuple):
    """What a service token says: this user of this partner, on this route, for this caller, towards this audience.

    On a personless route `user_id` holds the caller's name, and `partner` may be empty.
    """

    user_id: PartnerUserId
    partner: str
    tag: str
    caller: str
    audience: str


IdentityKey = tuple[str, str, PersonalPhoneId]
"""(partner, caller, personal_phone_id): a tuple, never a joined string."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A kept result of an exchange: a user id, or the name of the refusal that says there is none.

    `fresh_until` and `stale_until` are monotonic seconds: a pair serves until the first, and until the second only
    while the dependencies fail.
    """

    user_id: PartnerUserId | None
    unknown: Literal["identity-unknown", "partner-user-unknown"] | None
    fresh_until: float
    stale_until: float


class Attempt(NamedTuple):
    """One call to personal, a partner, an upstream or a caller's key set is over. An event, and a part of a Journey.

    `at` in monotonic seconds; `outcome` is "ok" or a short word: "503", "timeout". `address` says which one of an
    upstream's addresses was asked, where it has several.
    """

    dependency: str
    at: float
    seconds: float
    outcome: str
    address: str = ""


@dataclass(slots=True)
class Call:
    """What an exchange hop is told. Mutable: adapters append to `attempts`.

    `timeout` is in seconds and bounds the whole hop, retries included.
    """

    request_id: str
    timeout: float
    attempts: list[Attempt] = field(default_factory=list)


class Body(Protocol):
    """A stream of byte chunks that can be given up early. Iterating it after `aclose` yields nothing more."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def __anext__(self) -> bytes: ...
    async def aclose(self) -> None: ...


@dataclass(slots=True)
class Inbound:
    """A client's request as it arrived. Header names are in lower case; `target` is the raw path and query.

    `body` is None where the request has none. `length` is its `Content-Length`, None for a chunked body.
    `peer` is the address of the TCP peer, `scheme` what it spoke to us.
    """

    method: str
    target: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    body: AsyncIterator[bytes] | None = None
    length: int | None = None
    peer: str = ""
    scheme: str = "http"


@dataclass(slots=True)
class Outbound:
    """A request to an upstream. Framing is not among the headers: it follows from `body` and `length`.

    `body` None: no body (`length` 0 then asks for an explicit `content-length: 0`). `length` None with a body: chunked.
    `timeout`: seconds until the head of the answer; `idle_timeout`: the longest silence inside a body, either way.
    `hasty`: the client asked for less time than its route allows, or time was up while its own body was awaited (the
    adapter says so), so running out of it is not the upstream's failure.
    """

    method: str
    target: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    body: AsyncIterator[bytes] | None
    length: int | None
    timeout: float
    idle_timeout: float
    attempts: list[Attempt] = field(default_factory=list)
    hasty: bool = False

    def framing(self) -> Header | None:
        """The header that says where the body ends (RFC 9112, 6), if there is to be one."""
        if self.body is None:
            return _NO_CONTENT if self.length == 0 else None
        return _CHUNKED if self.length is None else (b"content-length", b"%d" % self.length)


@dataclass(slots=True)
class Answer:
    """An answer's head, and its body still arriving.

    `whole` is the complete body where it has arrived together with the head: `body` need not be read then.
    Who takes an Answer reads `body` to its end or calls `body.aclose()`; either gives the connection back.
    """

    status: int
    headers: Headers = field(repr=False)
    body: Body
    whole: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Journey:
    """What became of one request so far. The gateway writes it, the access line and the 5xx ledger read it. Mutable.

    `began`: by the clock of the attempts.
    """

    request_id: str = ""
    trace_id: str = ""
    tag: str = ""
    caller: str = ""
    phase: Literal["head", "routing", "admission", "exchange", "upstream", "body"] = "head"
    exchange: ExchangeResult | None = None
    healed: bool = False
    upstream_seconds: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    idle_timeout: float = 60.0
    person: str = ""
    began: float = 0.0


class RequestEnded(NamedTuple):
    """A request is over: answered, refused, cut short or left by its client (status 499)."""

    journey: Journey
    method: str
    status: int
    reason: str
    origin: Origin | Literal[""]
    bytes_in: int
    bytes_out: int
    seconds: float
    cause: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeEnded:
    """An id was exchanged, or not."""

    partner: str
    result: ExchangeResult


Event = RequestEnded | ExchangeEnded | Attempt
