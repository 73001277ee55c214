"""On which line of the file a key stands, which tomllib does not say."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from talaria.entrypoints.config.problems import path

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\\\x00-\x1f\x7f]*"|'[^'\x00-\x1f\x7f]*')"""
_DOTTED = rf"({_NAME}(?:[ \t]*\.[ \t]*{_NAME})*)[ \t]*"
_LINE = re.compile(rf"[ \t]*(?:\[(\[?)[ \t]*{_DOTTED}\]|{_DOTTED}=)")


def lines_of(text: str) -> dict[str, int]:
    """The line of each table and of each key, by its path. What only looks like one, in a longer text, does no harm."""
    lines: dict[str, int] = {}
    elements: Counter[str] = Counter()
    table = ""
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.match(line)
        if found and found[2]:
            table = _path(found[2])
            lines.setdefault(table, number)
            if found[1]:
                elements[table] += 1
                table = f"{table}[{elements[table] - 1}]"
        if found:
            lines.setdefault(table if found[2] else path(table, _path(found[3])), number)
    return lines


def line_of(key: str, lines: Mapping[str, int]) -> int:
    """The line of this key, or of the nearest table around it; 0 for none."""
    while key and key not in lines:
        key = key.rpartition("[" if key.endswith("]") else ".")[0]
    return lines.get(key, 0)


@lru_cache(1024)
def _path(dotted: str) -> str:
    names: list[str] = []
    inside: object = tomllib.loads(f"{dotted} = 0")
    while isinstance(inside, dict):
        ((name, inside),) = inside.items()
        names.append(name)
    return ".".join(names)
