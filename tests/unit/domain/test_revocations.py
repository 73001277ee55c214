"""Revocations: what holds one hears of its own pair, and of no other."""

from weakref import ref

from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.revocations import Revocation, Revocations
from tests.unit.domain.support_exchange import key

NAMES = st.sampled_from(["anna", "bob", "carl"])


@given(st.lists(st.tuples(st.sampled_from(["hold", "revoke", "revoke all"]), NAMES)))
def test_what_is_held_is_revoked_with_its_pair_and_once(steps: list[tuple[str, str]]) -> None:
    revocations = Revocations()
    held: list[tuple[str, Revocation]] = []
    revoked: set[Revocation] = set()
    for step, name in steps:
        if step == "hold":
            held.append((name, revocations.of(key(name))))
        elif step == "revoke":
            revocations.revoke(key(name))
            revoked |= {one for its, one in held if its == name}
        else:
            revocations.revoke_all()
            revoked |= {one for _, one in held}
        assert {one for _, one in held if one.revoked} == revoked


def test_all_that_hold_one_pair_hold_the_same() -> None:
    revocations = Revocations()
    assert revocations.of(key("anna")) is revocations.of(key("anna"))
    assert revocations.of(key("anna")) is not revocations.of(key("bob"))


def test_nothing_is_kept_of_what_nothing_holds() -> None:
    revocations = Revocations()
    forgotten = ref(revocations.of(key("anna")))
    assert forgotten() is None
