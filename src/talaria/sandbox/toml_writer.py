"""Writes TOML: as much of it as a configuration needs (tables, texts, numbers, booleans, arrays, inline tables)."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SOURCES = {"env", "file"}


def dumps(tree: Mapping[str, Any]) -> str:
    """The text of a tree of tables. A table of just `env` or `file` is a secret and stays on one line."""
    return "\n".join(_lines((), tree)).strip("\n") + "\n"


def merged(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with the changes laid over it, table by table; a change to None takes the key away."""
    result = dict(tree)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping) and not _is_inline(value):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def _lines(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping) and not _is_inline(value)}
    plain = {key: value for key, value in table.items() if key not in tables}
    if path and (plain or not tables):
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        yield from _lines((*path, key), value)


def _is_inline(table: Mapping[str, Any]) -> bool:
    return len(table) == 1 and table.keys() <= _SOURCES


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)
