"""Every port in memory, but for `Upstream`, which has a file of its own.

Each passes its contract (`talaria.testing.contracts`), like the real ones. A dependency's failures are scripted: see
`DependencyScript`.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from talaria.domain.errors import (
    PARTNER,
    PERSONAL,
    DependencyFaults,
    IdentityUnknown,
    InvalidToken,
    PartnerUserUnknown,
    Refusal,
)
from talaria.domain.events import Attempt, Event, HopContext, RequestForwarded
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


@dataclass(slots=True)
class DependencyScript:
    """What a dependency in memory does when it is called, and how often it was.

    `failing` is raised by every call, `fail_next` by one call each, in order. Calls wait while `gate` is not set.
    """

    calls: int = 0
    failing: Refusal | None = None
    fail_next: deque[Refusal] = field(default_factory=deque)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def play(self, name: str, call: HopContext, faults: DependencyFaults) -> None:
        """One call of the dependency `name`: raises what the script says, or a timeout past `call.timeout`."""
        self.calls += 1
        outcome = "timeout"
        try:
            async with asyncio.timeout(call.timeout):
                await self.gate.wait()
            self._fail()
            outcome = "ok"
        except TimeoutError:
            raise faults.timeout() from None
        except Refusal as refusal:
            outcome = refusal.reason
            raise
        finally:
            call.attempts.append(Attempt(name, 0.0, 0.0, outcome))

    def _fail(self) -> None:
        if self.fail_next:
            raise self.fail_next.popleft()
        if self.failing is not None:
            raise _anew(self.failing)


def _anew(refusal: Refusal) -> Refusal:
    """Without the frames of every call that it has ended before."""
    return refusal.with_traceback(None)


class MemoryPhoneDirectory:
    """The port `PhoneDirectory`. `phones` maps ids to numbers in E.164, `emails` to addresses; both may be changed."""

    def __init__(self, phones: Mapping[str, str], emails: Mapping[str, str] | None = None) -> None:
        self.phones = dict(phones)
        self.emails = dict(emails or {})
        self.script = DependencyScript()

    async def phone_of(self, phone_id: PersonalPhoneId, call: HopContext) -> PhoneNumber:
        await self.script.play("personal", call, PERSONAL)
        phone = self.phones.get(phone_id.reveal())
        if phone is None:
            raise IdentityUnknown
        return PhoneNumber(phone)

    async def email_of(self, phone_id: PersonalPhoneId, call: HopContext) -> EmailAddress:
        await self.script.play("personal", call, PERSONAL)
        email = self.emails.get(phone_id.reveal())
        if email is None:
            raise IdentityUnknown
        return EmailAddress(email)


class MemoryPartnerAccounts:
    """The port `PartnerAccounts`. `users` maps numbers or addresses to user ids, or to the refusal that one meets."""

    def __init__(self, users: Mapping[str, str | Refusal], partner: str = "wind") -> None:
        self.users = dict(users)
        self.script = DependencyScript()
        self._partner = partner

    async def user_of(self, identity: Identity, call: HopContext) -> PartnerUserId:
        await self.script.play(self._partner, call, PARTNER)
        user = self.users.get(identity.reveal())
        if user is None:
            raise PartnerUserUnknown
        if isinstance(user, Refusal):
            raise _anew(user)
        return PartnerUserId(user)


class MemoryTokenVerifier:
    """The port `TokenVerifier`. `principals` maps tokens to principals, or to the refusal that a token meets.

    While `gate` is not set no token is recalled, and each waits for it as for a key set. `generation` is that of its
    keys.
    """

    generation = 0

    def __init__(self, principals: Mapping[bytes, Principal | Refusal]) -> None:
        self.principals = dict(principals)
        self.gate = asyncio.Event()
        self.gate.set()

    async def verify(self, token: bytes) -> Principal:
        await self.gate.wait()
        principal = self.principals.get(token)
        if principal is None:
            raise InvalidToken
        if isinstance(principal, Refusal):
            raise _anew(principal)
        return principal

    def recall(self, token: bytes) -> VerifiedToken | None:
        principal = self.principals.get(token) if self.gate.is_set() else None
        if not isinstance(principal, Principal):
            return None
        return VerifiedToken(principal, -inf, inf, self, self.generation)


class MemoryServiceTokens:
    """The port `ServiceTokens`. The tokens are names; `claims` says what each one stands for.

    Each is handed out until `until`, in seconds since the epoch.
    """

    until = inf

    def __init__(self) -> None:
        self.claims: dict[bytes, ServiceClaims] = {}
        self._tokens: dict[ServiceClaims, bytes] = {}

    def token_for(self, claims: ServiceClaims) -> ServiceToken:
        token = self._tokens.setdefault(claims, b"service-token-%d" % (len(self._tokens) + 1))
        self.claims[token] = claims
        return ServiceToken(token, -inf, self.until)


class MemoryIdentityCache:
    """The port `IdentityCache`: a plain model of what the LRU cache does."""

    def __init__(self, max_entries: int = 1000) -> None:
        self.revocations = Revocations()
        self._max_entries = max_entries
        self._kept: OrderedDict[IdentityKey, CachedIdentity] = OrderedDict()

    def get(self, key: IdentityKey) -> CachedIdentity | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: IdentityKey, identity: CachedIdentity) -> None:
        if key not in self._kept or self._kept[key].user_id != identity.user_id:
            self.revocations.revoke(key)
        self._kept[key] = identity
        self._kept.move_to_end(key)
        if len(self._kept) > self._max_entries:
            self._kept.popitem(last=False)

    def drop(self, key: IdentityKey) -> bool:
        self.revocations.revoke(key)
        return self._kept.pop(key, None) is not None

    def clear(self) -> int:
        self.revocations.revoke_all()
        forgotten = len(self._kept)
        self._kept.clear()
        return forgotten

    def __len__(self) -> int:
        return len(self._kept)


class MemoryClock:
    """The port `Clock`, and a wall clock too: stands still until it is moved."""

    def __init__(self, at: float = 1000.0) -> None:
        self._at = at

    def now(self) -> float:
        """Seconds."""
        return self._at

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._at += seconds


class MemoryRecorder:
    """The port `Recorder`: keeps every event, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)

    def record_soon(self, event: RequestForwarded) -> None:
        self.events.append(event)
