"""What the domain needs of the outside, each as small as it can be.

Every port has a working in-memory version (`talaria.testing`) and a contract that each version must pass
(`talaria.testing.contracts`).
"""

from typing import Protocol

from talaria.domain.events import Event, HopContext, RequestForwarded
from talaria.domain.http import UpstreamRequest, UpstreamResponse
from talaria.domain.model import (
    CachedIdentity,
    EmailAddress,
    Identity,
    IdentityKey,
    PartnerUserId,
    PersonalPhoneId,
    PhoneNumber,
    Principal,
    ServiceClaims,
    ServiceToken,
    VerifiedToken,
)
from talaria.domain.revocations import Revocations


class TokenVerifier(Protocol):
    """Verifies a caller's token. Which routes the caller may use is decided elsewhere."""

    def recall(self, token: bytes) -> VerifiedToken | None:
        """What a token says that was verified before and is good now; None: not cached."""

    async def verify(self, token: bytes) -> Principal:
        """The principal of a token that is good now.

        Raises InvalidToken, ExpiredToken, or KeysUnavailable where the caller has no usable key set.
        """


class PhoneDirectory(Protocol):
    """personal: the phone number, or the e-mail address, behind an id."""

    async def phone_of(self, phone_id: PersonalPhoneId, call: HopContext) -> PhoneNumber:
        """The number, within `call.timeout` seconds, retries included. Keeps nothing.

        Raises IdentityUnknown, or a DependencyFault of origin "personal".
        """

    async def email_of(self, phone_id: PersonalPhoneId, call: HopContext) -> EmailAddress:
        """The address; all else as for the number."""


class PartnerAccounts(Protocol):
    """One partner: its user with a phone number, or with the e-mail address that its hops ask for."""

    async def user_of(self, identity: Identity, call: HopContext) -> PartnerUserId:
        """The partner's user id, within `call.timeout` seconds, retries included. Asking again is harmless.

        Raises PartnerUserUnknown, PartnerUserRefused, or a DependencyFault of origin "partner".
        """


class Upstream(Protocol):
    """A back end that requests are passed on to."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """The response, as soon as its head is there. Interim (1xx) responses are not returned.

        The version adds `host` and the framing headers and nothing else. A response that comes before the request
        body is sent ends the sending. What `request.body` raises passes through unchanged. Cancelling the call, or
        closing the response's body, gives up the request at the upstream at once.

        Raises Unreachable, BadAnswer or TimedOut of origin "upstream", GatewayOverloaded (no free connection) or
        CircuitOpen; reading the response's body raises the first three too. A request that failed may still have
        been received.
        """


class ServiceTokens(Protocol):
    """Tokens that tell an upstream for which user, and on behalf of which caller, a request is."""

    def token_for(self, claims: ServiceClaims) -> ServiceToken:
        """A signed token with at least half of its life left. The same claims may get the same token again."""


class IdentityCache(Protocol):
    """The only memory: exchange results, bounded, evicted least recently used first.

    `revocations`: one is revoked where its key's result is dropped, or replaced by one of another user. For one that is
    evicted this may wait until another is cached.
    """

    @property
    def revocations(self) -> Revocations: ...

    def get(self, key: IdentityKey) -> CachedIdentity | None:
        """What is cached, however old."""

    def put(self, key: IdentityKey, identity: CachedIdentity) -> None:
        """Cache it, in place of what was there."""

    def drop(self, key: IdentityKey) -> bool:
        """Drop one; False where nothing was cached."""

    def clear(self) -> int:
        """Drop all; returns how many there were."""

    def __len__(self) -> int: ...


class Clock(Protocol):
    """Monotonic time."""

    def now(self) -> float:
        """Seconds since some moment in the past; never goes back."""


class Recorder(Protocol):
    """Receives every event. Never raises, never waits."""

    def record(self, event: Event) -> None:
        """Called on the event loop, in the order of the events."""

    def record_soon(self, event: RequestForwarded) -> None:
        """The same for the usual end of a request: handed out many at a time, within a moment."""
