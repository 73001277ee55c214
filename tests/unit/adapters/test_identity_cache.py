"""The cache of production passes the contract, is the same as the plain model, and is small."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.identity_cache import LruIdentityCache
from talaria.testing import MemoryIdentityCache
from talaria.testing.contracts.identity_cache import IdentityCacheContract, key, pair

operations = st.lists(
    st.tuples(st.sampled_from(["get", "put", "drop", "clear", "get", "put"]), st.integers(0, 6)), max_size=60
)


class TestLruIdentities(IdentityCacheContract):
    def cache(self, max_entries: int) -> LruIdentityCache:
        return LruIdentityCache(max_entries)


@given(operations, st.integers(1, 5))
def test_it_does_what_the_model_does(done: list[tuple[str, int]], max_entries: int) -> None:
    real, model = LruIdentityCache(max_entries), MemoryIdentityCache(max_entries)
    for number, (operation, name) in enumerate(done):
        if operation == "put":
            real.put(key(str(name)), pair(str(number)))
            model.put(key(str(name)), pair(str(number)))
        elif operation == "clear":
            assert real.clear() == model.clear()
        else:
            assert getattr(real, operation)(key(str(name))) == getattr(model, operation)(key(str(name)))
        assert len(real) == len(model) <= max_entries


def test_an_entry_takes_less_than_a_kibibyte() -> None:
    entries = 5_000
    tracemalloc.start()
    try:
        kept = LruIdentityCache(entries)
        for number in range(entries):
            kept.put(key(f"{number:0>36}"), pair(f"{number:0>36}"))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / entries < 1024


def test_at_least_one_entry() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LruIdentityCache(0)


def test_a_new_limit_lets_the_least_recently_used_go() -> None:
    kept = LruIdentityCache(3)
    for name in "abc":
        kept.put(key(name), pair(name))
    kept.get(key("a"))
    kept.resize(2)
    assert [kept.get(key(name)) is not None for name in "abc"] == [True, False, True]
    kept.resize(3)
    kept.put(key("d"), pair("d"))
    assert len(kept) == 3


def test_only_what_is_wanted_is_kept() -> None:
    kept = LruIdentityCache(3)
    kept.put(key("a"), pair("a"))
    kept.put(key("b"), pair("b"))
    kept.keep_only(lambda one: one == key("b"))
    assert (kept.get(key("a")), kept.get(key("b"))) == (None, pair("b"))


def test_to_list_what_is_kept_is_no_use_of_it_and_it_may_change_meanwhile() -> None:
    kept = LruIdentityCache(3)
    for name in "abc":
        kept.put(key(name), pair(name))
    items = kept.items()
    assert next(items) == (key("a"), pair("a"))
    kept.drop(key("c"))
    assert list(items) == [(key("b"), pair("b"))]
    kept.resize(1)
    assert kept.get(key("b")) is not None
