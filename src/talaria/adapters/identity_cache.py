"""The exchange results that one worker keeps. Only their number is bounded here; their ages are the exchange's."""

from collections.abc import Callable, Iterator

from cachetools import Cache, LRUCache

from talaria.domain.model import CachedIdentity, IdentityKey
from talaria.domain.revocations import Revocations


class LruIdentityCache:
    """The port `IdentityCache` on cachetools' LRU cache: a full cache forgets what was least recently got or put.

    Raises ValueError for `max_entries` under 1.
    """

    def __init__(self, max_entries: int) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries is {max_entries}; at least 1 is needed")
        self.revocations = Revocations()
        self._kept: LRUCache[IdentityKey, CachedIdentity] = LRUCache(max_entries)

    def get(self, key: IdentityKey) -> CachedIdentity | None:
        try:
            return self._kept[key]
        except KeyError:
            return None

    def put(self, key: IdentityKey, identity: CachedIdentity) -> None:
        before = self.get(key)
        if before is None or before.user_id != identity.user_id:
            self.revocations.revoke(key)
        self._kept[key] = identity

    def drop(self, key: IdentityKey) -> bool:
        self.revocations.revoke(key)
        return self._kept.pop(key, None) is not None

    def clear(self) -> int:
        self.revocations.revoke_all()
        forgotten = len(self._kept)
        self._kept.clear()
        return forgotten

    def resize(self, max_entries: int) -> None:
        """Keep at most this many from now on; the least recently used go first."""
        if max_entries == self._kept.maxsize:
            return
        before, self._kept = self._kept, LRUCache(max_entries)
        while before:
            key, identity = before.popitem()  # the least recently used first
            self._kept[key] = identity

    def keep_only(self, wanted: Callable[[IdentityKey], bool]) -> None:
        """Forget every pair with a key that is not wanted."""
        self.revocations.revoke_all()
        for key in [key for key in self._kept if not wanted(key)]:
            del self._kept[key]

    def items(self) -> Iterator[tuple[IdentityKey, CachedIdentity]]:
        """What is kept now, one after the other; it may change meanwhile. None of it counts as got."""
        for key in list(self._kept):
            if key in self._kept:
                yield key, Cache.__getitem__(self._kept, key)

    def __len__(self) -> int:
        return len(self._kept)
