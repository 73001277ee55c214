"""When each signing key was published and how long its tokens are good: what a rotation without a gap waits for.

Nothing is kept on disk. A process that has just begun knows nothing of its predecessors, so each key counts as one
that they signed with until this moment, and as one that no upstream has seen before.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import msgspec


class KeyUse(msgspec.Struct, frozen=True):
    """One published key. Times in seconds since the epoch; the first key signs.

    `published_at`: since when others can know of it. `good_until`: the end of the last token that it may have signed.
    """

    kid: str
    algorithm: str
    signs: bool
    published_at: float
    good_until: float


class KeyHistory:
    """Takes note of what is published and signed. `wall` gives seconds since the epoch."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._keys: dict[str, str] = {}
        self._published_at: dict[str, float] = {}
        self._good_until: dict[str, float] = {}

    def publish(self, keys: Sequence[tuple[str, str]], lifetime: float) -> None:
        """These keys (kid and algorithm, the signing one first) are in force; their tokens live for `lifetime`."""
        now = self._wall()
        if not self._keys:
            self._good_until = {kid: now + lifetime for kid, _ in keys}
        self._published_at = {kid: self._published_at.get(kid, now) for kid, _ in keys}
        self._keys = dict(keys)

    def signed(self, kid: str, until: float) -> None:
        """A token was signed with this key."""
        self._good_until[kid] = max(until, self._good_until.get(kid, 0.0))

    def uses(self) -> list[KeyUse]:
        """Every key in force, the signing one first."""
        return [
            KeyUse(kid, algorithm, number == 0, self._published_at[kid], self._good_until.get(kid, 0.0))
            for number, (kid, algorithm) in enumerate(self._keys.items())
        ]


def merge(processes: Iterable[list[KeyUse]]) -> list[KeyUse]:
    """What several processes say, the latest of each time: what is safe then is safe for all of them."""
    merged: dict[str, KeyUse] = {}
    for use in chain.from_iterable(processes):
        known = merged.get(use.kid, use)
        times = max(use.published_at, known.published_at), max(use.good_until, known.good_until)
        merged[use.kid] = KeyUse(use.kid, use.algorithm, use.signs or known.signs, *times)
    return sorted(merged.values(), key=lambda use: not use.signs)
