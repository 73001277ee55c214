"""Every refusal: what the gateway answers when it does not pass an answer on.

    Refusal                         reason, origin (whose fault)
    ├── ClientFault                 the request itself
    │   ├── MissingApiTag  AmbiguousApiTag  UnknownApiTag  MethodNotAllowed
    │   ├── MethodNotImplemented  BadRequestTarget  BadRequest  HeadersTooLarge  TargetTooLong  BodyTooLarge
    │   ├── DeadlineExceeded  UploadTimeout
    │   ├── MissingToken  InvalidToken  ExpiredToken  CallerNotAllowed  RateLimited
    │   └── UnknownUser             a definite answer of a dependency: there is no such user
    │       └── IdentityUnknown (personal)  PartnerUserUnknown  PartnerUserRefused (the partner)
    ├── DependencyFault             another system's failure; `retry_after` where it named one
    │   ├── Unreachable  BadAnswer  TimedOut  Overloaded      reason: "<origin>-<kind>"
    │   │   └── PartnerBadAnswer    for adapters of partners
    │   └── CircuitOpen  KeysUnavailable
    └── GatewayFault                ours: GatewayOverloaded  Draining  DecisionFailed  InternalError

`cause` is a short text for the operator's eyes: a status, an errno, an address. Never personal data, never a secret.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, NamedTuple

from talaria.domain.model import Origin


class ClientGone(Exception):
    """The client closed its connection before it had its response. No refusal: no response can be sent."""


class Refusal(Exception):
    """Why a request is not passed on. `reason` is one word of the closed list that clients see."""

    reason: str = ""
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


class MethodNotImplemented(ClientFault):
    """A method that the parser of requests does not know."""

    reason = "method-not-implemented"


class DeadlineExceeded(ClientFault):
    """The client's own `x-request-timeout-ms` is over."""

    reason = "deadline-exceeded"


class UploadTimeout(ClientFault):
    """The body took longer than the route's `upload_timeout`, or was silent for its `idle_timeout`."""

    reason = "upload-timeout"


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
    """A good token that has expired."""

    reason = "expired-token"


class CallerNotAllowed(ClientFault):
    """A good token of a caller that this route does not list."""

    reason = "caller-not-allowed"


class RateLimited(ClientFault):
    """A limit of the caller, or of the person, is used up for `retry_after` seconds."""

    reason = "rate-limited"


class UnknownUser(ClientFault):
    """A definite answer of a dependency: there is no such user. A stale pair never overrides it."""


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
    """Another system's failure: a kind (the class) and an `origin` (the system). The reason follows from both.

    `request_sent`: that system may have received something of the request.
    """

    kind: ClassVar[str] = ""
    request_sent = True

    def __init__(self, origin: Origin, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(cause, retry_after=retry_after)
        self.origin = origin
        self.reason = f"{origin}-{self.kind}"


class Unreachable(DependencyFault):
    """Refused, reset, a name or TLS failure."""

    kind = "unreachable"


class BadAnswer(DependencyFault):
    """Not what the contract says; our own credentials refused; a redirect; too large."""

    kind = "bad-answer"


class TimedOut(DependencyFault):
    """The hop's or the route's time is up."""

    kind = "timeout"


class Overloaded(DependencyFault):
    """429 or 503 after the retries."""

    kind = "overloaded"


class PartnerBadAnswer(BadAnswer):
    """A partner's adapter raises it for an answer that its contract does not allow."""

    def __init__(self, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__("partner", cause, retry_after=retry_after)


class CircuitOpen(DependencyFault):
    """The dependency failed too often just now; it is asked again after `retry_after` seconds."""

    def __init__(self, origin: Origin, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(origin, cause, retry_after=retry_after)
        self.reason = "circuit-open"


class KeysUnavailable(DependencyFault):
    """No usable key set of the caller: never fetched, over a day old, or not fetched before the request's deadline."""

    def __init__(self, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__("caller-keys", cause, retry_after=retry_after)
        self.reason = "keys-unavailable"


class GatewayFault(Refusal):
    """Ours."""


class GatewayOverloaded(GatewayFault):
    """Our own limits are reached."""

    reason = "overloaded"


class Draining(GatewayFault):
    """This instance is shutting down."""

    reason = "draining"


class DecisionFailed(GatewayFault):
    """An edge proxy could not ask for a decision, or does not say for which reason it was refused one."""

    reason = "decision-failed"


class InternalError(GatewayFault):
    """A fault of ours; the exception is in the log under the request id."""

    reason = "internal-error"


class DependencyFaults(NamedTuple):
    """The constructors of one dependency's faults, so that one client serves every dependency."""

    origin: Origin
    unreachable: Callable[..., DependencyFault]
    bad_answer: Callable[..., DependencyFault]
    timeout: Callable[..., DependencyFault]
    overloaded: Callable[..., DependencyFault]


def faults_of(origin: Origin) -> DependencyFaults:
    """The faults of this origin."""
    return DependencyFaults(origin, *(partial(kind, origin) for kind in (Unreachable, BadAnswer, TimedOut, Overloaded)))


PERSONAL = faults_of("personal")
PARTNER = faults_of("partner")._replace(bad_answer=PartnerBadAnswer)
CALLER_KEYS = DependencyFaults("caller-keys", KeysUnavailable, KeysUnavailable, KeysUnavailable, KeysUnavailable)
