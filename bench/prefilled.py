"""`talaria` with a cache that is full from the start: `python -m bench.prefilled COUNT serve --config F`.

A million real exchanges take longer than a benchmark may. The entries are made as an exchange makes them, of the
persons that the benchmark's tokens name, and the rest of the program is untouched.
"""

import sys
from collections.abc import Callable

from bench.caller_tokens import person_id, user_id
from talaria.adapters import identity_cache
from talaria.domain.model import CachedIdentity, IdentityKey, PartnerUserId, PersonalPhoneId

HOURS = 4 * 3600.0


def entry(number: int, now: float) -> tuple[IdentityKey, CachedIdentity]:
    """What an exchange leaves in the cache for the person of this number."""
    key = ("wind", "app", PersonalPhoneId(person_id(number)))
    return key, CachedIdentity(PartnerUserId(user_id(number)), None, now + HOURS, now + 2 * HOURS, now)


def fill(put: Callable[[IdentityKey, CachedIdentity], None], count: int, now: float) -> None:
    """Puts so many persons in."""
    for number in range(count):
        put(*entry(number, now))


def main() -> None:
    """Swaps the class before the program imports it, and runs the program."""
    import time

    count = int(sys.argv.pop(1))

    class Filled(identity_cache.LruIdentityCache):
        def __init__(self, max_entries: int) -> None:
            super().__init__(max_entries)
            fill(super().put, count, time.monotonic())

    identity_cache.LruIdentityCache = Filled  # type: ignore[misc]
    from talaria.entrypoints.cli import main as cli

    cli.main()


if __name__ == "__main__":
    main()
