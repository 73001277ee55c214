"""Templates: what a block leaves of its lines, how times and names are written, and what has no value."""

import pytest
from jinja2 import UndefinedError

from talaria.entrypoints.cli.render.template import ENVIRONMENT


def filled(text: str, **values: object) -> str:
    return ENVIRONMENT.from_string(text).render(**values)


def test_a_block_is_no_line_of_its_own() -> None:
    text = "a\n    {% for one in many %}\n    server {{ one }};\n    {% endfor %}\n{% if none %}\n\tb\n{% endif %}\nc\n"
    assert filled(text, many=["x", "y"], none=()) == "a\n    server x;\n    server y;\nc\n"


def test_times_and_names() -> None:
    assert filled("{{ 3.5 | ms }} {{ 0.0004 | ms }} {{ 3.5 | s }} {{ 60.0 | s }}") == "3500ms 0ms 3.5s 60s"
    assert filled("{{ 'x-wind-user-id' | folded }}") == "x_wind_user_id"


def test_nothing_is_escaped_for_html() -> None:
    assert filled("{{ name }}", name="<'\"&>") == "<'\"&>"


def test_a_name_without_a_value_is_a_fault() -> None:
    with pytest.raises(UndefinedError):
        filled("{{ nothing }}")
    with pytest.raises(UndefinedError):
        filled("{% if nothing %}{% endif %}")
