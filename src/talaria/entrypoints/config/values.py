"""The forms of single values: how a person writes each, what it becomes, and how a JSON Schema says so."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from talaria.entrypoints.config.problems import Wrong, kind_of, one_of, shown
from talaria.entrypoints.config.stamps import Stamp, stamp_of

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)")
_SIZES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB|)")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a value may refer to: the configuration file's folder and the environment.

    `stamps`: the state of each file that a value has named, from before anybody read it.
    """

    folder: Path
    environ: Mapping[str, str]
    stamps: dict[Path, Stamp] = field(default_factory=dict, compare=False)

    def file(self, name: str) -> Path:
        """The file that a value names. From now on a change of it can be told from what is read."""
        file = self.folder / name
        self.stamps.setdefault(file, stamp_of(file))
        return file


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of value is written.

    `parse` raises Wrong; `schema` is its JSON Schema; `render` turns a parsed default back into what a person writes;
    `text` is true where TOML has a string here; `members` are the keys of a form that is an inline table; `kind` is
    what docs/settings.md calls it.
    """

    parse: Callable[[Any, Surroundings], Any]
    schema: Mapping[str, Any]
    render: Callable[[Any], Any] = lambda value: value
    text: bool = True
    members: tuple[str, ...] = ()
    kind: str = "text"


def text_of(value: object, instead: str) -> str:
    """The value, if it is a string. Raises Wrong, and does not show it."""
    if not isinstance(value, str):
        raise Wrong(f"{kind_of(value)} stands here", instead)
    return value


def seconds_of(text: str) -> float | None:
    """A duration such as "250ms" in seconds; None where it is no duration."""
    found = _DURATION.fullmatch(text)
    return round(float(found[1]) * _UNITS[found[2]], 9) if found else None


def write_seconds(seconds: float) -> str:
    """A duration as a person writes it: the largest unit that leaves a whole number, but "60s" for a minute."""
    for unit in ("h", "m", "s"):
        if seconds and seconds % _UNITS[unit] == 0 and (unit, seconds) != ("m", 60.0):
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0s"


def write_size(size: int) -> str:
    """A size as a person writes it, in the largest unit that leaves a whole number."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)


def duration(least: str, most: str) -> Form:
    """Seconds as a float, from "250ms", "10s", "15m", "1h"."""
    low, high = seconds_of(least), seconds_of(most)
    if low is None or high is None:
        raise ValueError("the bounds are durations too")
    instead = f'write a duration from "{least}" to "{most}", such as "250ms", "10s", "15m" or "1h"'

    def parse(value: object, _: Surroundings) -> float:
        seconds = seconds_of(text_of(value, instead))
        if seconds is None:
            raise Wrong(f"{shown(value)} is not a duration", instead)
        if not low <= seconds <= high:
            raise Wrong(f"{shown(value)} is out of range", instead)
        return seconds

    return Form(parse, {"type": "string", "pattern": f"^{_DURATION.pattern}$"}, write_seconds, kind="duration")


def size(least: str, most: str) -> Form:
    """Bytes as an int, from "512", "32KiB", "8MiB", "1GiB"."""
    low, high = _bytes_of(least), _bytes_of(most)
    instead = f'write a size from "{least}" to "{most}", such as "32KiB" or "8MiB"'

    def parse(value: object, _: Surroundings) -> int:
        found = _SIZE.fullmatch(text_of(value, instead))
        if found is None:
            raise Wrong(f"{shown(value)} is not a size", instead)
        if not low <= (count := _bytes_of(found[0])) <= high:
            raise Wrong(f"{shown(value)} is out of range", instead)
        return count

    return Form(parse, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}, write_size, kind="size")


def count(least: int, most: int) -> Form:
    """A whole number."""
    instead = f"write a whole number from {least} to {most}"

    def parse(value: object, _: Surroundings) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Wrong(f"{kind_of(value)} stands here", instead)
        if not least <= value <= most:
            raise Wrong(f"{value} is out of range", instead)
        return value

    return Form(parse, {"type": "integer", "minimum": least, "maximum": most}, text=False, kind="whole number")


def choice(names: Collection[str], kind: str = "") -> Form:
    """One word of a closed list, which the documentation shows unless there is a `kind`."""

    def parse(value: object, _: Surroundings) -> str:
        if not isinstance(value, str) or value not in names:
            raise Wrong(f"{shown(value)} is not known here", one_of(names))
        return value

    return Form(
        parse, {"type": "string", "enum": sorted(names)}, kind=", ".join(f'`"{name}"`' for name in sorted(names))
    )


def word(pattern: str, instead: str) -> Form:
    """A text of a given form. `pattern` is meant whole, and in the common part of Python's and JSON Schema's syntax."""
    whole = re.compile(pattern)

    def parse(value: object, _: Surroundings) -> str:
        if not whole.fullmatch(text_of(value, instead)):
            raise Wrong(f"{shown(value)} has not the right form", instead)
        return str(value)

    return Form(parse, {"type": "string", "pattern": f"^(?:{pattern})$"})


def _file_path(value: object, around: Surroundings) -> Path:
    instead = "write the path of a file, relative to the configuration file"
    if not (text := text_of(value, instead)) or "\0" in text:
        raise Wrong("this is not a path", instead)
    return around.file(text)


FILE = Form(_file_path, {"type": "string", "minLength": 1}, kind="path")
"""A path, made absolute against the configuration file's folder. Whether the file is there is not looked at."""

PRIVATE_FILE = replace(FILE, kind="path of a private key")
"""The same, for what nobody else may read."""


def _bytes_of(text: str) -> int:
    digits = text.rstrip("BGKMi")
    return int(digits) * _SIZES[text[len(digits) :]]
