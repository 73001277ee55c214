"""What a dependency's answer may say, whatever it says."""

import json
import re
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.dependency_messages import LONGEST_RETRY_AFTER, DependencyResponse, retry_after_seconds
from talaria.domain.errors import PERSONAL, BadAnswer

WALL = 1_795_000_000.0
_DATES = st.sampled_from(["Mon", "Mon,", "99", "23", "Nov", "2026", "99999999999", "00:00:00", "GMT", "+9999", "-0000"])
_TEXTS = st.text(max_size=30) | st.lists(_DATES, max_size=7).map(" ".join) | st.integers().map(str)


class Shape(msgspec.Struct):
    """What an adapter looks for."""

    id: str
    value: str


@given(_TEXTS)
def test_retry_after_is_nonsense_or_at_most_a_day(text: str) -> None:
    seconds = retry_after_seconds(text, WALL)
    assert seconds is None or 0.0 <= seconds <= LONGEST_RETRY_AFTER


CAUSE = re.compile(
    r"status 200 without the JSON of the contract"
    r"(: Object missing required field `(id|value)`|: Expected `(str|object)`, got `\w+`( - at `\$\.(id|value)`)?)?"
)
"""Names of the shape and of types, and nothing that the body brought."""


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"id": "+4915112345678"}', ": Object missing required field `value`"),
        (b'{"id": 4915112345678, "value": "x"}', ": Expected `str`, got `int` - at `$.id`"),
        (b'["+4915112345678"]', ": Expected `object`, got `array`"),
        (b'"+4915112345678"', ": Expected `object`, got `str`"),
        (b'{"id": "+4915112345678"', ""),
        (b"+4915112345678", ""),
    ],
)
def test_the_cause_names_the_field_and_never_a_value(body: bytes, named: str) -> None:
    refusal = read(body)
    assert isinstance(refusal, BadAnswer)
    assert refusal.cause == f"status 200 without the JSON of the contract{named}"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "value", "x"]), inner),
)


def read(body: bytes) -> Shape | BadAnswer:
    """The shape in this body, or the refusal of it."""
    try:
        return DependencyResponse(200, body, bad_answer=PERSONAL.bad_answer).json(Shape)
    except BadAnswer as refusal:
        return refusal


_SHAPED = st.fixed_dictionaries({"id": st.text(max_size=3), "value": st.text(max_size=5)}, optional={"x": _JSON})
outcomes: Counter[type] = Counter()


@given(st.binary(max_size=40) | (_JSON | _SHAPED).map(lambda value: json.dumps(value).encode()))
def is_of_the_shape_or_a_bad_answer_that_does_not_quote_it(body: bytes) -> None:
    found = read(body)
    outcomes[type(found)] += 1
    if isinstance(found, Shape):
        told: Any = json.loads(body)
        assert (found.id, found.value) == (told["id"], told["value"])
    else:
        assert found.__cause__ is None
        assert CAUSE.fullmatch(found.cause)


def test_a_body_is_of_the_shape_or_a_bad_answer_that_does_not_quote_it() -> None:
    is_of_the_shape_or_a_bad_answer_that_does_not_quote_it()
    assert outcomes.keys() == {Shape, BadAnswer}


@given(st.integers(1, 2000))
def test_no_depth_breaks_the_reader(depth: int) -> None:
    assert isinstance(read(b"[" * depth), BadAnswer)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "a", "value": "b", "value": "c"}',
        b'{"id": "a", "value": "b", "value": "b"}',
        b'{"id": "a", "value": "b", "v\\u0061lue": "c"}',
        b'{"id": "a", "value": "b", "x": {"y": 1, "y": 2}}',
        b'{"id": "a", "value": "b", "x": 1, "x": 2}',
    ],
)
def test_a_success_with_a_name_twice_is_a_bad_answer(body: bytes) -> None:
    assert isinstance(read(body), BadAnswer)


@pytest.mark.parametrize("status", [300, 404])
def test_what_names_no_person_may_be_sloppy(status: int) -> None:
    body = b'{"id": "a", "value": "b", "value": "c"}'
    assert DependencyResponse(status, body).json(Shape) == Shape("a", "c")
