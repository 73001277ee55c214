"""Lines for people on a terminal: the same fields as in JSON, shorter."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_FIRST = ("time", "level", "event")
_CLOCK = slice(11, 19)


def text_line(fields: Mapping[str, Any] | msgspec.Struct) -> str:
    """Time of the day, level and event, then `name=value` for each other field that is not empty.

    A value with a space, or with a character that a terminal would heed, stands there as JSON has it.
    """
    told = msgspec.to_builtins(fields) if isinstance(fields, msgspec.Struct) else fields
    time, level, event = (str(told.get(name, "")) for name in _FIRST)
    others = {name: value for name, value in told.items() if name not in _FIRST and value not in ("", None)}
    said = [_value(event, spaces=True), *(f"{name}={_value(value)}" for name, value in others.items())]
    return f"{time[_CLOCK]}  {level.upper():<7}  {' '.join(said)}"


def encoded_text_line(fields: Mapping[str, Any] | msgspec.Struct) -> bytes:
    """The same in UTF-8."""
    return text_line(fields).encode()


def encoded_text_lines(lines: Iterable[msgspec.Struct]) -> bytes:
    """One below the other, each with its newline."""
    return b"".join([encoded_text_line(line) + b"\n" for line in lines])


def _value(value: Any, *, spaces: bool = False) -> str:
    if not isinstance(value, str):
        return json.dumps(value, default=lambda one: f"<{type(one).__name__}>")
    plain = value.isprintable() and value.isascii() and '"' not in value and (spaces or " " not in value)
    return value if plain else json.dumps(value)
