"""How long the results of exchanges are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from talaria.domain.errors import IdentityUnknown, PartnerUserUnknown
from talaria.domain.model import Identity, PartnerUserId


@dataclass(frozen=True, slots=True)
class Ages:
    """How long exchange results are kept, in seconds. `jitter` gives 0 to 1: up to a tenth is taken off `max_age`."""

    max_age: float
    negative_age: float
    stale_if_error: float
    jitter: Callable[[], float]

    def of_pair(self, user_id: PartnerUserId, now: float) -> Identity:
        """A fresh pair to keep."""
        fresh_until = now + self.max_age * (1 - 0.1 * self.jitter())
        return Identity(user_id, None, fresh_until, fresh_until + self.stale_if_error)

    def of_unknown(self, refusal: IdentityUnknown | PartnerUserUnknown, now: float) -> Identity:
        """A "no such user" to keep."""
        reason: Literal["identity-unknown", "partner-user-unknown"] = (
            "identity-unknown" if isinstance(refusal, IdentityUnknown) else "partner-user-unknown"
        )
        return Identity(None, reason, now + self.negative_age, now + self.negative_age)
