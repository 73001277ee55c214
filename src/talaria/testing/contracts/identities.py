"""What every `Identities` does."""

from talaria.domain.model import CachedIdentity, IdentityKey, PartnerUserId, PersonalPhoneId
from talaria.domain.ports import IdentityCache


def key(phone_id: str, partner: str = "wind", caller: str = "app") -> IdentityKey:
    """A key that differs from others in what a test says."""
    return partner, caller, PersonalPhoneId(phone_id)


def pair(user_id: str) -> CachedIdentity:
    """A pair to keep."""
    return CachedIdentity(PartnerUserId(user_id), None, 1.0, 2.0)


class IdentityCacheContract:
    """Derive, and say in `identities` which version is meant."""

    def identities(self, max_entries: int) -> IdentityCache:
        """An empty one."""
        raise NotImplementedError

    def test_gives_what_was_put_last(self) -> None:
        kept = self.identities(3)
        kept.put(key("anna"), pair("one"))
        kept.put(key("anna"), pair("two"))
        assert kept.get(key("anna")) == pair("two")
        assert len(kept) == 1

    def test_nothing_is_kept_at_first(self) -> None:
        kept = self.identities(3)
        assert kept.get(key("anna")) is None
        assert len(kept) == 0

    def test_each_part_of_the_key_counts(self) -> None:
        kept = self.identities(9)
        keys = [key("anna"), key("anna", partner="bolt"), key("anna", caller="web"), key("bob")]
        for number, each in enumerate(keys):
            kept.put(each, pair(f"user-{number}"))
        assert [kept.get(each) for each in keys] == [pair(f"user-{number}") for number in range(4)]

    def test_parts_that_join_to_the_same_text_are_not_the_same(self) -> None:
        kept = self.identities(9)
        kept.put(("a", "bc", PersonalPhoneId("d")), pair("one"))
        assert kept.get(("ab", "c", PersonalPhoneId("d"))) is None
        assert kept.get(("a", "b", PersonalPhoneId("cd"))) is None

    def test_the_least_recently_used_goes_first(self) -> None:
        kept = self.identities(2)
        kept.put(key("anna"), pair("one"))
        kept.put(key("bob"), pair("two"))
        assert kept.get(key("anna")) == pair("one")
        kept.put(key("carl"), pair("three"))
        assert kept.get(key("bob")) is None
        assert kept.get(key("anna")) == pair("one")
        assert len(kept) == 2

    def test_to_put_again_is_a_use(self) -> None:
        kept = self.identities(2)
        for name in ("anna", "bob", "anna", "carl"):
            kept.put(key(name), pair(name))
        assert kept.get(key("bob")) is None
        assert kept.get(key("anna")) == pair("anna")

    def test_drop_says_whether_there_was_something(self) -> None:
        kept = self.identities(2)
        kept.put(key("anna"), pair("one"))
        assert kept.drop(key("anna"))
        assert not kept.drop(key("anna"))
        assert kept.get(key("anna")) is None

    def test_clear_says_how_many_there_were(self) -> None:
        kept = self.identities(5)
        for name in ("anna", "bob", "carl"):
            kept.put(key(name), pair(name))
        assert kept.clear() == 3
        assert kept.clear() == 0
        assert len(kept) == 0

    def test_a_definite_no_is_kept_too(self) -> None:
        kept = self.identities(2)
        nobody = CachedIdentity(None, "identity-unknown", 1.0, 1.0)
        kept.put(key("anna"), nobody)
        assert kept.get(key("anna")) == nobody
