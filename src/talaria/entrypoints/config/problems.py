"""What is wrong with a configuration: all of it at once, each where it stands and with what to write instead."""

import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing to put right. `key` is a path such as `routes.wind.partner`, empty for the file as a whole.

    `line`: where it stands in the file, or the table that it is missing in; 0 where that is nowhere.
    """

    key: str
    wrong: str
    hint: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.key}: " if self.key else ""
        return f"{place}{self.wrong}; {self.hint}"


Refuse = Callable[[str, str, str], None]
"""`Diagnostics.refuse`: a key, what is wrong there, and what to write instead."""


class ConfigurationError(Exception):
    """The configuration can't be used. `problems` holds at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


class InvalidValue(Exception):
    """A value that a setting does not take; becomes a Problem under its key. An empty hint is the setting's own."""

    def __init__(self, wrong: str, hint: str = "") -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.hint = hint


@dataclass(slots=True)
class Diagnostics:
    """What stops the gateway, and what is worth a look.

    In place of an invalid value stands an empty one, so that the rules can look at the rest. What a rule finds wrong
    with such a value is left out: it is listed already.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _invalid: list[str] = field(default_factory=list)

    def invalid(self, key: str, wrong: str, hint: str) -> None:
        """Add a problem of a value that can't be used."""
        self._invalid.append(key)
        self.problems.append(Problem(key, wrong, hint))

    def is_valid(self, *keys: str) -> bool:
        """Whether what stands at all of these keys can be used: no element of it is invalid, and no table around it."""
        return not any(
            key == bad or bad.startswith(f"{key}[") or key.startswith((f"{bad}.", f"{bad}["))
            for bad in self._invalid
            for key in keys
        )

    def refuse(self, key: str, wrong: str, hint: str) -> None:
        """Add a problem that a rule found."""
        if self.is_valid(key):
            self.problems.append(Problem(key, wrong, hint))

    def warn(self, key: str, wrong: str, hint: str) -> None:
        """Add a warning."""
        self.warnings.append(Problem(key, wrong, hint))


def path(key: str, name: str) -> str:
    """The path of `name` inside the table at `key`."""
    return f"{key}.{name}" if key else name


def one_of(names: Iterable[str]) -> str:
    """What to write where only these will do."""
    listed = ", ".join(sorted(names))
    return f"write one of: {listed}" if listed else "there is none to choose from"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that `name` was probably meant to be, in whatever case, or all of them."""
    folded = {each.lower(): each for each in sorted(known)}
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    return f'did you mean "{folded[near[0]]}"?' if near else one_of(folded.values())


def shown(value: object) -> str:
    """A refused value as it is written in the file, cut where it is long. For values that can be no secret."""
    if not isinstance(value, str):
        return str(value) if type(value) is int and abs(value) < 1 << 64 else kind_of(value)
    # As JSON, so that control characters can't play with a terminal.
    return json.dumps(value if len(value) <= 60 else f"{value[:57]}...", ensure_ascii=False)


def kind_of(value: object) -> str:
    """What sort of TOML value this is."""
    kinds = {bool: "a boolean", int: "a whole number", float: "a number", str: "a string"}
    kinds |= {list: "an array", dict: "a table"}
    return kinds.get(type(value), "a date or time")
