"""Templates: places in a line, places that are lines, and what is no place."""

import pytest

from talaria.entrypoints.cli.render import template


@pytest.fixture
def template_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "listen @listen@;\n    @lines@\n\t@none@\n@refused; @names@ user@example\n"
    monkeypatch.setattr(template, "source", lambda name: text)


def test_places_are_filled(template_text: None) -> None:
    values = {"listen": "a:80", "lines": ["one", "two"], "none": [], "names": ["x", "y"]}
    assert template.fill("t", values) == "listen a:80;\n    one\n    two\n@refused; x y user@example\n"


def test_a_place_without_a_value_is_a_fault(template_text: None) -> None:
    with pytest.raises(KeyError):
        template.fill("t", {"listen": "a:80"})
