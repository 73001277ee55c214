"""On which line of the file a key stands, which tomllib does not say."""

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache

from talaria.entrypoints.config.problems import path

_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\\\x00-\x1f\x7f]*"|'[^'\x00-\x1f\x7f]*')"""
_DOTTED = rf"({_NAME}(?:[ \t]*\.[ \t]*{_NAME})*)[ \t]*"
_LINE = re.compile(rf"[ \t]*(?:\[\[?[ \t]*{_DOTTED}\]|{_DOTTED}=)")
_INDEX = re.compile(r"\[\d+\]")


def lines_of(text: str) -> dict[str, int]:
    """The line of each table and of each key, by its path. What only looks like one, in a longer text, does no harm."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.match(line)
        if found and found[1]:
            table = _path(found[1])
        if found:
            lines.setdefault(table if found[1] else path(table, _path(found[2])), number)
    return lines


def line_of(key: str, lines: Mapping[str, int]) -> int:
    """The line of this key, or of the nearest table around it; 0 for none."""
    key = _INDEX.sub("", key)
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key, 0)


@lru_cache(1024)
def _path(dotted: str) -> str:
    names: list[str] = []
    inside: object = tomllib.loads(f"{dotted} = 0")
    while isinstance(inside, dict):
        ((name, inside),) = inside.items()
        names.append(name)
    return ".".join(names)
