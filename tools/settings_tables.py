"""The tables of docs/settings.md: every key with its form, its default and its meaning, from the one list of settings.

`python -m tools.settings_tables docs/settings.md` writes them anew, between the file's two marks.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from talaria.entrypoints.config.schema import is_writable, written
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.shape import Array, Key, NamedTables, OneTable, Shape, table_shape

BEGIN = "<!-- what follows is generated: python -m tools.settings_tables docs/settings.md -->"
END = "<!-- generated up to here -->"

_HEAD = "| key | written as | default | what it sets |\n|---|---|---|---|"


def with_tables(document: str) -> str:
    """The document with what is between its marks written anew. Raises ValueError where it has no marks."""
    before, _, rest = document.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("the document has not both marks")
    return f"{before}{BEGIN}\n\n{tables()}{END}{after}"


def tables() -> str:
    """All tables as Markdown, in the order of the file."""
    return "".join(_section(key) for key in table_shape(Settings).keys.values())


def _section(key: Key) -> str:
    name, table = key.name, key.shape
    if isinstance(table, NamedTables):
        name, table = f"{name}.<{table.table.name_attribute}>", table.table
    if not isinstance(table, OneTable):
        raise TypeError(f"{name} is no table")
    rows = "\n".join(_rows(table, ""))
    return f"### `[{name}]`\n\n{_about(table)}\n\n{_HEAD}\n{rows}\n\n"


def _about(table: OneTable) -> str:
    """What the table's docstring says of it, in its first sentence."""
    first = (table.type.__doc__ or "").partition(": ")[2].partition(".")[0]
    return f"{first[:1].upper()}{first[1:]}."


def _rows(table: OneTable, prefix: str) -> Iterator[str]:
    for key in table.keys.values():
        name = f"{prefix}{key.name}"
        if isinstance(key.shape, OneTable):
            yield from _rows(key.shape, f"{name}.")
            continue
        yield f"| `{name}` | {_form(key.shape)} | {_default(key)} | {_cell(key.doc)} |"
        if isinstance(key.shape, Array) and isinstance(key.shape.element, OneTable):
            yield from _rows(key.shape.element, f"{name}[].")


def _form(shape: Shape) -> str:
    match shape:
        case Array(element):
            return f"list of: {_form(element)}"
        case OneTable():
            return f"`{{ {', '.join(shape.keys)} }}`"
        case NamedTables():
            return "tables"
    return _cell(shape.form.kind)


def _default(key: Key) -> str:
    if key.default is msgspec.NODEFAULT:
        return "required"
    return f"`{json.dumps(written(key.default, key.shape))}`" if is_writable(key) else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_tables(path.read_text()))
