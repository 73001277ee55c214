"""How deep the JSON of a token may go: counted by a reader of our own, compared with what the JSON says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.auth.jws import DEPTH_LIMIT, read_token
from talaria.domain.errors import InvalidToken
from tests.unit.adapters.auth.support_tokens import CLAIMS, HEADER, b64

TEXTS = st.text(alphabet='[]{}"\\,: a', max_size=8)


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and objects of these, some of them deep."""
    wider = st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
    return wider | st.builds(nested, inner, st.integers(1, DEPTH_LIMIT))


def nested(value: Any, layers: int) -> Any:
    """So many lists and objects round a value."""
    for layer in range(layers):
        value = {"": value} if layer % 2 else [value]
    return value


def depth_of(value: Any) -> int:
    """How many lists and objects are round its innermost part."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def cause_of(claims: bytes) -> str:
    """Why a token with these claims has no good form; "" where it has."""
    try:
        read_token(b".".join(map(b64, (json.dumps(HEADER).encode(), claims, b"signature"))))
    except InvalidToken as refusal:
        return refusal.cause
    return ""


@given(st.recursive(TEXTS | st.none(), grown, max_leaves=20))
def test_only_what_is_too_deep_is_too_deep(value: Any) -> None:
    claims = {**CLAIMS, "x": value}
    assert cause_of(json.dumps(claims).encode()) == ("depth" if depth_of(claims) > DEPTH_LIMIT else "")


@given(st.text(alphabet='[]{}"\\a,:', min_size=1, max_size=80).map(str.encode))
def test_nothing_that_is_no_json_breaks_the_reader(text: bytes) -> None:
    assert cause_of(text) in ("", "json", "depth")


@pytest.mark.parametrize("text", [b"[" * 8 + b"[" * 8 + b"]" * 8, b"]" * 3000 + b"[" * 8, b'"' + b"[" * 6000])
def test_what_is_never_closed_is_no_json(text: bytes) -> None:
    assert cause_of(text) == "json"


@pytest.mark.parametrize("text", [b"[" * 9, b"[]" * 9 + b"[" * 9, b"[" * 9 + b"]" * 9, b"{" * 6000])
def test_what_is_too_deep_never_meets_the_library(text: bytes) -> None:
    assert cause_of(text) == "depth"
