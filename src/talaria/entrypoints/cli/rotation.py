"""What may be done with a signing key now, and why: publish next, sign with it, retire the old."""

from dataclasses import dataclass
from datetime import UTC, datetime

from talaria.adapters.auth.key_rotation import KeyUse
from talaria.entrypoints.config.types import write_seconds


@dataclass(frozen=True, slots=True)
class Advice:
    """What holds of one key. `may_retire`: it can be taken out of `signing.keys` now."""

    role: str
    next: str
    why: str
    may_sign: bool = False
    may_retire: bool = False


def advise(use: KeyUse, key_set_seconds: int, now: float) -> Advice:
    """What may be done with this key at `now`, in seconds since the epoch."""
    if use.signs:
        return Advice("signs", "keep it", "put another key first in signing.keys before this one can go")
    known_at = use.published_at + key_set_seconds
    may_sign, may_retire = now >= known_at, now >= use.good_until
    if not may_retire:
        why = f"a token that it signed may be good until {_clock(use.good_until)}"
        return Advice("published", f"keep it until {_clock(use.good_until)}", why, may_sign)
    if not may_sign:
        why = f"others may hold a key set of before {_clock(use.published_at)} for {key_set_seconds} s"
        return Advice("published", f"may sign from {_clock(known_at)}", why, may_retire=True)
    why = f"known to others since {_clock(known_at)}, and no token that it signed is good any more"
    return Advice("published", "may sign, or be retired", why, may_sign=True, may_retire=True)


def rules(key_set_seconds: int, lifetime: float) -> str:
    """The waiting times, where the gateway can't be asked."""
    return (
        f"A new key may sign {key_set_seconds} s after every instance publishes it (others may hold a key set so long);"
        f"\nan old one may be retired {write_seconds(lifetime)} after the last instance stopped signing with it"
        " (signing.lifetime)."
    )


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
