"""Every refusal: what the gateway answers when it does not pass an answer on.

    Refusal                         reason, origin (whose fault)
    ├── ClientFault                 the request itself
    │   ├── MissingApiTag  AmbiguousApiTag  UnknownApiTag  MethodNotAllowed
    │   ├── BadRequestTarget  BadRequest  HeadersTooLarge  TargetTooLong  BodyTooLarge
    │   ├── MissingToken  InvalidToken  ExpiredToken  CallerNotAllowed
    │   └── UnknownUser             a definite answer: there is nobody to go on as
    │       └── IdentityUnknown (personal)  PartnerUserUnknown  PartnerUserRefused (the partner)
    ├── DependencyFault             somebody else's failure; `retry_after` where they said one
    │   ├── Unreachable             PersonalUnreachable  PartnerUnreachable  UpstreamUnreachable
    │   ├── BadAnswer               PersonalBadAnswer    PartnerBadAnswer    UpstreamBadAnswer
    │   ├── TimedOut                PersonalTimeout      PartnerTimeout      UpstreamTimeout
    │   ├── Overloaded              PersonalOverloaded   PartnerOverloaded
    │   └── CircuitOpen  KeysUnavailable
    └── GatewayFault                ours: GatewayOverloaded  Draining  InternalError

`cause` is a short text for the operator's eyes: a status, an errno, an address. Never personal data, never a secret.
"""

from typing import ClassVar, NamedTuple

from talaria.domain.model import Origin


class ClientGone(Exception):
    """The client closed its connection before it had its answer: no refusal, nobody is there to be refused."""


class Refusal(Exception):
    """Why a request is not passed on. `reason` is one word of the closed list that clients see."""

    reason: ClassVar[str] = ""
    origin: Origin = "gateway"

    def __init__(self, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.retry_after = retry_after


class ClientFault(Refusal):
    """The request can't be served as it is."""

    origin = "client"


class MissingApiTag(ClientFault):
    """No `x-api-tag`, or an empty one."""

    reason = "missing-api-tag"


class AmbiguousApiTag(ClientFault):
    """More than one `x-api-tag`, or a list."""

    reason = "ambiguous-api-tag"


class UnknownApiTag(ClientFault):
    """No route of this name."""

    reason = "unknown-api-tag"


class BadRequestTarget(ClientFault):
    """A target that different servers would read differently."""

    reason = "bad-request-target"


class BadRequest(ClientFault):
    """Broken framing, no or two `Host`, two `Authorization`, a malformed head."""

    reason = "bad-request"


class MethodNotAllowed(ClientFault):
    """The route, or the gateway, does not take this method. `allow` names those that it takes."""

    reason = "method-not-allowed"

    def __init__(self, allow: frozenset[str]) -> None:
        super().__init__()
        self.allow = allow


class HeadersTooLarge(ClientFault):
    """The head is over `server.header_limit`."""

    reason = "headers-too-large"


class TargetTooLong(ClientFault):
    """The request line alone is over `server.header_limit`."""

    reason = "target-too-long"


class BodyTooLarge(ClientFault):
    """The body is over `server.body_limit`."""

    reason = "body-too-large"


class MissingToken(ClientFault):
    """No bearer token."""

    reason = "missing-token"


class InvalidToken(ClientFault):
    """Signature, algorithm, issuer, audience, claims or form."""

    reason = "invalid-token"


class ExpiredToken(ClientFault):
    """A good token whose time is over."""

    reason = "expired-token"


class CallerNotAllowed(ClientFault):
    """A good token of a caller that this route does not admit."""

    reason = "caller-not-allowed"


class UnknownUser(ClientFault):
    """A definite answer of a dependency: there is nobody to go on as. Never overridden by a kept pair."""


class IdentityUnknown(UnknownUser):
    """personal has no such id."""

    reason = "identity-unknown"


class PartnerUserUnknown(UnknownUser):
    """The partner has no user for the phone."""

    reason = "partner-user-unknown"


class PartnerUserRefused(UnknownUser):
    """The partner refuses the user or the number."""

    reason = "partner-user-refused"


class DependencyFault(Refusal):
    """Somebody else's failure."""


class Unreachable(DependencyFault):
    """Refused, reset, a name or TLS failure."""


class BadAnswer(DependencyFault):
    """Not what the contract says; our own credentials refused; a redirect; too large."""


class TimedOut(DependencyFault):
    """The hop's or the route's time is up."""


class Overloaded(DependencyFault):
    """429 or 503 after the retries."""


class PersonalUnreachable(Unreachable):
    """personal can't be reached."""

    reason, origin = "personal-unreachable", "personal"


class PersonalBadAnswer(BadAnswer):
    """personal broke its contract."""

    reason, origin = "personal-bad-answer", "personal"


class PersonalTimeout(TimedOut):
    """personal took too long."""

    reason, origin = "personal-timeout", "personal"


class PersonalOverloaded(Overloaded):
    """personal has too much to do."""

    reason, origin = "personal-overloaded", "personal"


class PartnerUnreachable(Unreachable):
    """The partner can't be reached."""

    reason, origin = "partner-unreachable", "partner"


class PartnerBadAnswer(BadAnswer):
    """The partner broke its contract."""

    reason, origin = "partner-bad-answer", "partner"


class PartnerTimeout(TimedOut):
    """The partner took too long."""

    reason, origin = "partner-timeout", "partner"


class PartnerOverloaded(Overloaded):
    """The partner has too much to do."""

    reason, origin = "partner-overloaded", "partner"


class UpstreamUnreachable(Unreachable):
    """No connection to the upstream, or a broken one."""

    reason, origin = "upstream-unreachable", "upstream"


class UpstreamBadAnswer(BadAnswer):
    """The upstream's answer is not HTTP as it must be."""

    reason, origin = "upstream-bad-answer", "upstream"


class UpstreamTimeout(TimedOut):
    """The upstream took too long."""

    reason, origin = "upstream-timeout", "upstream"


class CircuitOpen(DependencyFault):
    """The dependency failed too often just now; it is asked again after `retry_after` seconds."""

    reason = "circuit-open"

    def __init__(self, origin: Origin, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(cause, retry_after=retry_after)
        self.origin = origin


class KeysUnavailable(DependencyFault):
    """The caller's key set could never be fetched."""

    reason, origin = "keys-unavailable", "caller-keys"


class GatewayFault(Refusal):
    """Ours."""


class GatewayOverloaded(GatewayFault):
    """Our own limits are reached."""

    reason = "overloaded"


class Draining(GatewayFault):
    """This instance is shutting down."""

    reason = "draining"


class InternalError(GatewayFault):
    """A fault of ours; the exception is in the log under the request id."""

    reason = "internal-error"


class Faults(NamedTuple):
    """How the failures of one dependency are called, so that one client serves them all."""

    unreachable: type[DependencyFault]
    bad_answer: type[DependencyFault]
    timeout: type[DependencyFault]
    overloaded: type[DependencyFault]


PERSONAL = Faults(PersonalUnreachable, PersonalBadAnswer, PersonalTimeout, PersonalOverloaded)
PARTNER = Faults(PartnerUnreachable, PartnerBadAnswer, PartnerTimeout, PartnerOverloaded)
CALLER_KEYS = Faults(KeysUnavailable, KeysUnavailable, KeysUnavailable, KeysUnavailable)
