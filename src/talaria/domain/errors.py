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
`caller` is the configured caller that a refused token claims to come from, where it names one.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from talaria.domain.model import Origin


class ClientGone(Exception):
    """The client closed its connection before it had its response. No refusal: no response can be sent."""


class Refusal(Exception):
    """Why a request is not passed on. `reason` is one word of the closed list that clients see."""

    reason: str = ""
    origin: Origin = "gateway"
    caller: str = ""

    def __init_subclass__(cls, *, reason: str = "") -> None:
        cls.reason = reason or cls.reason

    def __init__(self, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.retry_after = retry_after


class ClientFault(Refusal):
    """The request can't be served as it is."""

    origin = "client"


class MissingApiTag(ClientFault, reason="missing-api-tag"):
    """No `x-api-tag`, or an empty one."""


class AmbiguousApiTag(ClientFault, reason="ambiguous-api-tag"):
    """More than one `x-api-tag`, or a list."""


class UnknownApiTag(ClientFault, reason="unknown-api-tag"):
    """No route of this name."""


class BadRequestTarget(ClientFault, reason="bad-request-target"):
    """A target that different servers would read differently."""


class BadRequest(ClientFault, reason="bad-request"):
    """Broken framing, no or two `Host`, two `Authorization`, a malformed head."""


class MethodNotAllowed(ClientFault, reason="method-not-allowed"):
    """The route, or the gateway, does not take this method. `allow` names those that it takes."""

    def __init__(self, allow: frozenset[str]) -> None:
        super().__init__()
        self.allow = allow


class MethodNotImplemented(ClientFault, reason="method-not-implemented"):
    """A method that the parser of requests does not know."""


class DeadlineExceeded(ClientFault, reason="deadline-exceeded"):
    """The client's own `x-request-timeout-ms` is over."""


class UploadTimeout(ClientFault, reason="upload-timeout"):
    """The body took longer than the route's `upload_timeout`, or was silent for its `idle_timeout`."""


class HeadersTooLarge(ClientFault, reason="headers-too-large"):
    """The head is over `server.header_limit`."""


class TargetTooLong(ClientFault, reason="target-too-long"):
    """The request line alone is over `server.header_limit`."""


class BodyTooLarge(ClientFault, reason="body-too-large"):
    """The body is over `server.body_limit`."""


class MissingToken(ClientFault, reason="missing-token"):
    """No bearer token."""


class InvalidToken(ClientFault, reason="invalid-token"):
    """Signature, algorithm, issuer, audience, claims or form; or an unknown API key."""


class ExpiredToken(ClientFault, reason="expired-token"):
    """A good token that has expired."""


class CallerNotAllowed(ClientFault, reason="caller-not-allowed"):
    """A good token or API key of a caller that this route does not list, or from outside of the caller's networks."""


class RateLimited(ClientFault, reason="rate-limited"):
    """A limit of the caller, or of the person, is used up for `retry_after` seconds."""


class UnknownUser(ClientFault):
    """A definite answer of a dependency: there is no such user. A stale pair never overrides it."""


class IdentityUnknown(UnknownUser, reason="identity-unknown"):
    """personal has no such id."""


class PartnerUserUnknown(UnknownUser, reason="partner-user-unknown"):
    """The partner has no user for the phone."""


class PartnerUserRefused(UnknownUser, reason="partner-user-refused"):
    """The partner refuses the user or the number."""


class DependencyFault(Refusal):
    """Another system's failure, and which system's it is (`origin`). The reason follows from both.

    `request_sent`: that system may have received something of the request.
    """

    request_sent = True

    def __init__(self, origin: Origin, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(cause, retry_after=retry_after)
        self.origin = origin
        self.reason = self.reason.format(origin=origin)


class Unreachable(DependencyFault, reason="{origin}-unreachable"):
    """Refused, reset, a name or TLS failure."""


class BadAnswer(DependencyFault, reason="{origin}-bad-answer"):
    """Not what the contract says; our own credentials refused; a redirect; too large."""


class TimedOut(DependencyFault, reason="{origin}-timeout"):
    """The hop's or the route's time is up."""


class Overloaded(DependencyFault, reason="{origin}-overloaded"):
    """429 or 503 after the retries."""


class PartnerBadAnswer(BadAnswer):
    """A partner's adapter raises it for an answer that its contract does not allow."""

    def __init__(self, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__("partner", cause, retry_after=retry_after)


class CircuitOpen(DependencyFault, reason="circuit-open"):
    """The dependency failed too often just now; it is asked again after `retry_after` seconds."""


class KeysUnavailable(DependencyFault, reason="keys-unavailable"):
    """No usable key set of the caller: never fetched, over a day old, or not fetched before the request's deadline."""

    def __init__(self, cause: str = "", *, retry_after: float | None = None) -> None:
        super().__init__("caller-keys", cause, retry_after=retry_after)


class GatewayFault(Refusal):
    """Ours."""


class GatewayOverloaded(GatewayFault, reason="overloaded"):
    """Our own limits are reached."""


class Draining(GatewayFault, reason="draining"):
    """This instance is shutting down."""


class DecisionFailed(GatewayFault, reason="decision-failed"):
    """An edge proxy could not ask for a decision, or does not say for which reason it was refused one."""


class InternalError(GatewayFault, reason="internal-error"):
    """A fault of ours; the exception is in the log under the request id."""


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
