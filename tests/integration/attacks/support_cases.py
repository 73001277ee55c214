"""The tables of attacks: files of TOML in `cases/`, one `[[case]]` for each.

Every case has `name`, `source` (the rule or the advisory that it stands for) and `expect`: what the gateway makes of
it, as words in the order of the answers. A word is a reason of the contract, `200`, or another status of the upstream;
`cut`: the answer begins and is cut off. Texts stand for bytes of Latin-1.
"""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("cases")


@dataclass(frozen=True)
class Case:
    """One attack. `more`: what only its own table has."""

    name: str
    source: str
    expect: tuple[str, ...]
    more: Mapping[str, Any]

    def text(self, key: str, otherwise: str = "") -> str:
        """A text of `more`."""
        return str(self.more.get(key, otherwise))

    @property
    def filling(self) -> str:
        """What FILL stands for."""
        return self.text("fill", "x") * int(self.more.get("length", 0))

    def lines(self, key: str = "lines") -> list[str]:
        """A list of texts of `more`."""
        return [str(line) for line in self.more.get(key, [])]


@functools.cache
def load(table: str) -> Sequence[Case]:
    """The cases of one table, in their order."""
    return [_case(fields) for fields in tomllib.loads((FOLDER / f"{table}.toml").read_text())["case"]]


def attacks() -> list[Case]:
    """The cases of all tables of requests, but for those of tokens."""
    return [case for table in ("names", "tags", "targets", "framings") for case in load(table)]


def _case(fields: dict[str, Any]) -> Case:
    own = {key: value for key, value in fields.items() if key not in ("name", "source", "expect")}
    return Case(fields["name"], fields["source"], tuple(fields["expect"].split()), own)


def called(case: Case) -> str:
    """How a case is called in a report."""
    return case.name
