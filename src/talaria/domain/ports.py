"""What the domain needs of the outside, each as small as it can be.

Every port has a working in-memory version (`testing/memory.py`) and tests that each version must pass
(`testing/contracts/`).
"""

from typing import Protocol

from talaria.domain.model import (
    Answer,
    Call,
    Event,
    Grant,
    Identity,
    IdentityKey,
    Outbound,
    PartnerUserId,
    Person,
    PersonalPhoneId,
    PhoneNumber,
)


class TokenVerifier(Protocol):
    """Whose token is it? Does not say which routes the caller may use."""

    def recall(self, token: bytes) -> Person | None:
        """The person named by a token that was verified before and is good now; None says nothing."""
        ...

    async def verify(self, token: bytes) -> Person:
        """The person named by a token that is good now.

        Raises InvalidToken, ExpiredToken, or KeysUnavailable where the caller's keys could never be fetched.
        """
        ...


class PhoneDirectory(Protocol):
    """personal: which phone number stands behind this id?"""

    async def phone_of(self, phone_id: PersonalPhoneId, call: Call) -> PhoneNumber:
        """The number, within `call.timeout` seconds, retries included. Keeps nothing.

        Raises IdentityUnknown, PersonalUnreachable, PersonalBadAnswer, PersonalTimeout, PersonalOverloaded or
        CircuitOpen.
        """
        ...


class PartnerAccounts(Protocol):
    """One partner: which of its users has this phone number?"""

    async def user_of(self, phone: PhoneNumber, call: Call) -> PartnerUserId:
        """The partner's user id, within `call.timeout` seconds, retries included. Asking again is harmless.

        Raises PartnerUserUnknown, PartnerUserRefused, PartnerUnreachable, PartnerBadAnswer, PartnerTimeout,
        PartnerOverloaded or CircuitOpen.
        """
        ...


class Upstream(Protocol):
    """A back end that requests are passed on to."""

    async def send(self, outbound: Outbound) -> Answer:
        """The answer, as soon as its head is there. Interim (1xx) answers are not returned.

        The version adds `host` and the framing headers and nothing else. An answer that comes before the request
        body is sent ends the sending. What `outbound.body` raises passes through unchanged. Cancelling the call, or
        closing the answer's body, gives up the request at the upstream at once.

        Raises UpstreamUnreachable, UpstreamBadAnswer, UpstreamTimeout, GatewayOverloaded (no connection to be had)
        or CircuitOpen; reading the answer's body raises the first three too. Does not promise that a request which
        failed was not received.
        """
        ...

    async def aclose(self) -> None:
        """Give up whatever is open."""
        ...


class ServiceTokens(Protocol):
    """Tokens that tell an upstream who the request is for."""

    def token_for(self, grant: Grant) -> bytes:
        """A signed token with at least half of its life before it. The same grant may get the same token again."""
        ...


class Identities(Protocol):
    """The only memory: kept exchange results, bounded, the least recently used going first."""

    def get(self, key: IdentityKey) -> Identity | None:
        """What is kept, however old."""
        ...

    def put(self, key: IdentityKey, identity: Identity) -> None:
        """Keep it, in place of what was there."""
        ...

    def drop(self, key: IdentityKey) -> bool:
        """Forget one; False where nothing was kept."""
        ...

    def clear(self) -> int:
        """Forget all; how many there were."""
        ...

    def __len__(self) -> int: ...


class Clock(Protocol):
    """Monotonic time."""

    def now(self) -> float:
        """Seconds since some moment in the past; never goes back."""
        ...


class Recorder(Protocol):
    """Takes note of what happened. Never raises, never waits."""

    def record(self, event: Event) -> None:
        """Called on the event loop, in the order of the events."""
        ...
