"""The TOML that the sandbox writes is read back as what it was."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from talaria.sandbox.toml_writer import dumps, merged

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts
values = scalars | st.lists(scalars, max_size=3) | st.fixed_dictionaries({"file": texts})
trees: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(texts, values, max_size=3),
    lambda inner: st.dictionaries(texts, values | inner, max_size=3),
    max_leaves=6,
)


@given(trees)
def test_a_tree_comes_back(tree: dict[str, Any]) -> None:
    assert tomllib.loads(dumps(tree)) == tree


def test_a_secret_and_a_list_of_tables_stay_on_one_line() -> None:
    text = dumps({"personal": {"token": {"file": "f"}}, "signing": {"keys": [{"kid": "a", "file": "b"}]}})
    assert 'token = { file = "f" }' in text
    assert 'keys = [{ kid = "a", file = "b" }]' in text


def test_changes_are_laid_over_table_by_table() -> None:
    tree: dict[str, Any] = {"server": {"listen": "a", "workers": 1}, "personal": {"token": {"file": "f"}}}
    changes = {"server": {"workers": 2}, "personal": {"token": {"env": "E"}}, "identities": {"max_entries": 2}}
    assert merged(tree, changes) == {
        "server": {"listen": "a", "workers": 2},
        "personal": {"token": {"env": "E"}},
        "identities": {"max_entries": 2},
    }
    assert tree["server"]["workers"] == 1


def test_none_takes_a_key_away() -> None:
    assert merged({"personal": {"url": "u", "token": {"file": "f"}}}, {"personal": {"token": None}}) == {
        "personal": {"url": "u"}
    }
