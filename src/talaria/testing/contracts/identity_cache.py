"""What every `IdentityCache` does."""

from collections.abc import Callable

from talaria.domain.model import CachedIdentity, IdentityKey, PartnerUserId, PersonalPhoneId
from talaria.domain.ports import IdentityCache


def key(phone_id: str, partner: str = "wind", caller: str = "app") -> IdentityKey:
    """A key that differs from others in what a test says."""
    return partner, caller, PersonalPhoneId(phone_id)


def pair(user_id: str) -> CachedIdentity:
    """A pair to cache."""
    return CachedIdentity(PartnerUserId(user_id), None, 1.0, 2.0, 0.0)


class IdentityCacheContract:
    """Derive, and give a `cache`."""

    def cache(self, max_entries: int) -> IdentityCache:
        """An empty one."""
        raise NotImplementedError

    def test_gives_what_was_put_last(self) -> None:
        cache = self.cache(3)
        cache.put(key("anna"), pair("one"))
        cache.put(key("anna"), pair("two"))
        assert cache.get(key("anna")) == pair("two")
        assert len(cache) == 1

    def test_it_is_empty_at_first(self) -> None:
        cache = self.cache(3)
        assert cache.get(key("anna")) is None
        assert len(cache) == 0

    def test_each_part_of_the_key_counts(self) -> None:
        cache = self.cache(9)
        keys = [key("anna"), key("anna", partner="bolt"), key("anna", caller="web"), key("bob")]
        for number, each in enumerate(keys):
            cache.put(each, pair(f"user-{number}"))
        assert [cache.get(each) for each in keys] == [pair(f"user-{number}") for number in range(4)]

    def test_parts_that_join_to_the_same_text_are_not_the_same(self) -> None:
        cache = self.cache(9)
        cache.put(("a", "bc", PersonalPhoneId("d")), pair("one"))
        assert cache.get(("ab", "c", PersonalPhoneId("d"))) is None
        assert cache.get(("a", "b", PersonalPhoneId("cd"))) is None

    def test_the_least_recently_used_goes_first(self) -> None:
        cache = self.cache(2)
        cache.put(key("anna"), pair("one"))
        cache.put(key("bob"), pair("two"))
        assert cache.get(key("anna")) == pair("one")
        cache.put(key("carl"), pair("three"))
        assert cache.get(key("bob")) is None
        assert cache.get(key("anna")) == pair("one")
        assert len(cache) == 2

    def test_to_put_again_is_a_use(self) -> None:
        cache = self.cache(2)
        for name in ("anna", "bob", "anna", "carl"):
            cache.put(key(name), pair(name))
        assert cache.get(key("bob")) is None
        assert cache.get(key("anna")) == pair("anna")

    def test_drop_says_whether_there_was_something(self) -> None:
        cache = self.cache(2)
        cache.put(key("anna"), pair("one"))
        assert cache.drop(key("anna"))
        assert not cache.drop(key("anna"))
        assert cache.get(key("anna")) is None

    def test_clear_says_how_many_there_were(self) -> None:
        cache = self.cache(5)
        for name in ("anna", "bob", "carl"):
            cache.put(key(name), pair(name))
        assert cache.clear() == 3
        assert cache.clear() == 0
        assert len(cache) == 0

    def test_what_serves_no_longer_is_revoked(self) -> None:
        cache = self.cache(5)
        changes: list[Callable[[], object]] = [
            lambda: cache.put(key("anna"), pair("another")),
            lambda: cache.drop(key("anna")),
            cache.clear,
        ]
        for change in changes:
            cache.put(key("anna"), pair("one"))
            revocation = cache.revocations.of(key("anna"))
            cache.put(key("anna"), pair("one"))
            cache.get(key("anna"))
            assert not revocation.revoked
            change()
            assert revocation.revoked
            assert not cache.revocations.of(key("anna")).revoked

    def test_what_becomes_of_another_revokes_nothing(self) -> None:
        cache = self.cache(5)
        cache.put(key("anna"), pair("one"))
        revocation = cache.revocations.of(key("anna"))
        cache.put(key("bob"), pair("two"))
        cache.put(key("bob"), pair("three"))
        cache.drop(key("bob"))
        assert not revocation.revoked

    def test_what_was_evicted_is_revoked_by_a_drop_and_by_a_new_result(self) -> None:
        cache = self.cache(1)
        changes: list[Callable[[], object]] = [
            lambda: cache.put(key("anna"), pair("one")),
            lambda: cache.drop(key("anna")),
        ]
        for change in changes:
            cache.put(key("anna"), pair("one"))
            revocation = cache.revocations.of(key("anna"))
            cache.put(key("bob"), pair("two"))
            change()
            assert revocation.revoked

    def test_an_unknown_identity_is_cached_too(self) -> None:
        cache = self.cache(2)
        unknown = CachedIdentity(None, "identity-unknown", 1.0, 1.0, 0.0)
        cache.put(key("anna"), unknown)
        assert cache.get(key("anna")) == unknown
