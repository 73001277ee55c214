"""docs/settings.md lists every key, as it is."""

from pathlib import Path

import pytest

from tools.settings_tables import with_tables

DOCUMENT = Path(__file__).parents[3] / "docs/settings.md"


def test_the_document_is_what_the_settings_say() -> None:
    text = DOCUMENT.read_text()
    anew = "write it anew: .venv/bin/python -m tools.settings_tables docs/settings.md"
    assert text == with_tables(text), anew


@pytest.mark.parametrize(
    "row",
    [
        "| `workers` | whole number | `1` | processes |",
        "| `keys[].kid` | text | required | the key's name |",
        "| `tls.ca_file` | path |  |",
        '| `max_connection_age` | duration | `"5m"` |',
        '| `identity` | `"none"`, `"required"` | `"required"` |',
        '| `max_age` | duration | `"15m"` |',
    ],
)
def test_how_a_key_is_told(row: str) -> None:
    assert row in DOCUMENT.read_text()


def test_a_document_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_tables("# Settings\n")
