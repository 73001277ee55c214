"""The exchange results that one worker keeps. Ages are the exchange's business; here only the number is bounded."""

from collections.abc import Callable

from cachetools import LRUCache

from talaria.domain.model import CachedIdentity, IdentityKey


class LruIdentityCache:
    """The port `Identities` on cachetools' LRU cache: a full cache forgets what was least recently got or put.

    Raises ValueError for `max_entries` under 1.
    """

    def __init__(self, max_entries: int) -> None:
        if max_entries < 1:
            raise ValueError(f"max_entries is {max_entries}; at least 1 is needed")
        self._kept: LRUCache[IdentityKey, CachedIdentity] = LRUCache(max_entries)

    def get(self, key: IdentityKey) -> CachedIdentity | None:
        """What is kept, however old."""
        try:
            return self._kept[key]
        except KeyError:
            return None

    def put(self, key: IdentityKey, identity: CachedIdentity) -> None:
        """Keep it, in place of what was there."""
        self._kept[key] = identity

    def drop(self, key: IdentityKey) -> bool:
        """Forget one; False where nothing was kept."""
        return self._kept.pop(key, None) is not None

    def clear(self) -> int:
        """Forget all; how many there were."""
        forgotten = len(self._kept)
        self._kept.clear()
        return forgotten

    def resize(self, max_entries: int) -> None:
        """Keep this many from now on; the least recently used go, if there are more."""
        if max_entries == self._kept.maxsize:
            return
        before, self._kept = self._kept, LRUCache(max_entries)
        while before:
            key, identity = before.popitem()  # the least recently used first
            self._kept[key] = identity

    def keep_only(self, wanted: Callable[[IdentityKey], bool]) -> None:
        """Forget every pair whose key is not wanted."""
        for key in [key for key in self._kept if not wanted(key)]:
            del self._kept[key]

    def __len__(self) -> int:
        return len(self._kept)
