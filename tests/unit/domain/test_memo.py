"""A bounded memo: it never holds more than its limit, and never stops learning."""

from talaria.domain.memo import BoundedMemo


def test_what_is_remembered_is_given_back_and_found() -> None:
    memo = BoundedMemo[bytes, int](4)
    assert memo.remember(b"a", 1) == 1
    assert (memo.get(b"a"), memo.get(b"b")) == (1, None)


def test_it_never_holds_more_than_its_limit_and_learns_after_any_flood() -> None:
    memo = BoundedMemo[bytes, int](8)
    for number in range(100):
        memo.remember(b"%d" % number, number)
        assert 1 <= len(memo) <= 8
        assert memo[b"%d" % number] == number
