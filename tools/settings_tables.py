"""The tables of docs/settings.md: every key with its type, its default and its meaning, from the settings' schema.

`python -m tools.settings_tables docs/settings.md` writes them anew, between the file's two marks.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from talaria.entrypoints.config.schema import resolve, schema

BEGIN = "<!-- what follows is generated: python -m tools.settings_tables docs/settings.md -->"
END = "<!-- generated up to here -->"

_HEAD = "| key | written as | default | what it sets |\n|---|---|---|---|"
_KINDS = {
    "object": "table",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
}


def with_tables(document: str) -> str:
    """The document with what is between its marks written anew. Raises ValueError where it has no marks."""
    before, _, rest = document.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("the document has not both marks")
    return f"{before}{BEGIN}\n\n{tables()}{END}{after}"


def tables() -> str:
    """All tables as Markdown, in the order of the file."""
    return "".join(_section(part) for part in schema()["properties"].values())


def _section(part: dict[str, Any]) -> str:
    table = resolve(part.get("additionalProperties") or part)
    name, _, about = table["description"].partition(": ")
    rows = "\n".join(_rows(table, ""))
    return f"### `{name}`\n\n{about[:1].upper()}{about.partition('.')[0][1:]}.\n\n{_HEAD}\n{rows}\n\n"


def _rows(table: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, key in table["properties"].items():
        name = f"{prefix}{name}"
        if "$ref" in key:
            yield from _rows(resolve(key), f"{name}.")
            continue
        required = "required" if name.removeprefix(prefix) in table.get("required", ()) else ""
        if required and prefix and not prefix.endswith("[]."):
            required += f" with `{prefix[:-1]}`"
        default = f"`{json.dumps(key['default'])}`" if "default" in key else required
        yield f"| `{name}` | {_cell(_kind(key))} | {default} | {_cell(key['description'])} |"
        if "$ref" in key.get("items", {}):
            yield from _rows(resolve(key["items"]), f"{name}[].")


def _kind(key: dict[str, Any]) -> str:
    if "$ref" in key:
        return f"`{{ {', '.join(resolve(key)['properties'])} }}`"
    if "title" in key:
        return str(key["title"])
    if "enum" in key:
        return ", ".join(f'`"{name}"`' for name in key["enum"])
    if "items" in key:
        return f"list of: {_kind(key['items'])}"
    return _KINDS[key["type"]]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_tables(path.read_text()))
