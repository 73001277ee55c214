"""Templates are whole configurations with places such as @listen@ in them."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

_PLACE = re.compile(r"@([a-z_]+)@")
_LINE = re.compile(r"([ \t]*)@([a-z_]+)@")

Values = Mapping[str, str | Sequence[str]]


def fill(template: str, values: Values) -> str:
    """The template of this name with these values.

    A place that is a line of its own takes the lines of a sequence, each as far to the right; of none, the line goes.
    Raises KeyError for a place without a value.
    """
    return "\n".join(line for given in source(template).splitlines() for line in _filled(given, values)) + "\n"


def source(name: str) -> str:
    """The text of a template."""
    return files(__package__).joinpath(name).read_text("utf-8")


def script_path(name: str) -> str:
    """The path of a script that a rendered configuration loads."""
    return str(files(__package__).joinpath(name))


def _filled(line: str, values: Values) -> list[str]:
    whole = _LINE.fullmatch(line)
    if whole is not None and not isinstance(lines := values[whole[2]], str):
        return [f"{whole[1]}{each}" for each in lines]
    return [_PLACE.sub(lambda place: _text(values[place[1]]), line).rstrip()]


def _text(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else " ".join(value)
