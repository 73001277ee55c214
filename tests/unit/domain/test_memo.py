"""A bounded memo: it holds so many keys of so many bytes, and never stops learning."""

from talaria.domain.memo import BoundedMemo


def test_what_is_remembered_is_given_back_and_found() -> None:
    memo = BoundedMemo[bytes, int](4)
    assert memo.remember(b"a", 1) == 1
    assert (memo.get(b"a"), memo.get(b"b")) == (1, None)


def test_it_never_holds_more_than_its_entries_and_learns_after_any_flood() -> None:
    memo = BoundedMemo[bytes, int](8)
    for number in range(100):
        memo.remember(b"%d" % number, number)
        assert 1 <= len(memo) <= 8
        assert memo[b"%d" % number] == number


def test_a_long_key_is_not_kept_and_costs_no_other_its_place() -> None:
    memo = BoundedMemo[bytes, int](2, longest=3)
    memo.remember(b"a", 1)
    memo.remember(b"b", 2)
    assert memo.remember(b"long", 3) == 3
    assert dict(memo) == {b"a": 1, b"b": 2}
    memo.remember(b"max", 4)
    assert dict(memo) == {b"max": 4}
