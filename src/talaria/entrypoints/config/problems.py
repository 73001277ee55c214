"""What is wrong with a configuration: all of it at once, each where it stands and with what to write instead."""

import difflib
import json
from collections.abc import Iterable, Sequence

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing to put right. `key` is a path such as `routes.wind.partner`, empty for the file as a whole."""

    key: str
    wrong: str
    instead: str

    def __str__(self) -> str:
        place = f"{self.key}: " if self.key else ""
        return f"{place}{self.wrong}; {self.instead}"


class ConfigurationError(Exception):
    """The configuration can't be used. `problems` holds at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


class Wrong(Exception):
    """A value that a form does not take; becomes a Problem under the key that it stands at."""

    def __init__(self, wrong: str, instead: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.instead = instead

    def at(self, key: str) -> Problem:
        """The same, with its place."""
        return Problem(key, self.wrong, self.instead)


def path(key: str, name: str) -> str:
    """The path of `name` inside the table at `key`."""
    return f"{key}.{name}" if key else name


def one_of(names: Iterable[str]) -> str:
    """What to write where only these will do."""
    listed = ", ".join(sorted(names))
    return f"write one of: {listed}" if listed else "there is none to choose from"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that `name` was probably meant to be, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f'did you mean "{near[0]}"?' if near else one_of(known)


def shown(value: object) -> str:
    """A refused value as a person wrote it, cut where it is long. For values that can be no secret."""
    if not isinstance(value, str):
        return kind_of(value)
    # As JSON, so that control characters can't play with a terminal.
    return json.dumps(value if len(value) <= 60 else f"{value[:57]}...", ensure_ascii=False)


def kind_of(value: object) -> str:
    """What sort of TOML value this is."""
    kinds = {bool: "a boolean", int: "a whole number", float: "a number", str: "a string"}
    kinds |= {list: "an array", dict: "a table"}
    return kinds.get(type(value), "a date or time")
