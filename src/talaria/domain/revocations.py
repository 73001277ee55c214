"""What ends the flows of a pair: a mark that they hold, and that the cache of pairs sets."""

from weakref import WeakValueDictionary

from talaria.domain.model import IdentityKey


class Revocation:
    """Held by all that relies on one cached pair. `revoked`: it is not to be relied on any more."""

    __slots__ = ("__weakref__", "revoked")

    def __init__(self) -> None:
        self.revoked = False


class Revocations:
    """Those of the pairs of one cache, while anything holds them."""

    def __init__(self) -> None:
        self._held: WeakValueDictionary[IdentityKey, Revocation] = WeakValueDictionary()

    def of(self, key: IdentityKey) -> Revocation:
        """That of the pair that is cached under this key now."""
        return self._held.setdefault(key, Revocation())

    def revoke(self, key: IdentityKey) -> None:
        """What is cached under this key is another pair from now on, or none."""
        if (held := self._held.pop(key, None)) is not None:
            held.revoked = True

    def revoke_all(self) -> None:
        """The same for every key."""
        for key in list(self._held):
            self.revoke(key)
