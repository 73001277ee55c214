"""A tree of TOML values becomes settings, and every problem is collected on the way.

Where a value is missing or wrong its attribute holds BROKEN, so that the rules which come after can still look at the
rest. Settings with problems are never handed on: the loader raises.
"""

from typing import Any, Final, TypeVar, cast

import msgspec

from talaria.entrypoints.config.problems import Problem, Wrong, did_you_mean, kind_of, path
from talaria.entrypoints.config.settings import RETIRED, Table
from talaria.entrypoints.config.shape import Array, Key, Leaf, NamedTables, OneTable, Shape, table_shape
from talaria.entrypoints.config.values import Surroundings

T = TypeVar("T", bound=Table)

BROKEN: Final[Any] = msgspec.UNSET
"""Stands where a value would, had it been written rightly."""


def sound(*values: object) -> bool:
    """Whether none of the values is BROKEN."""
    return all(value is not BROKEN for value in values)


def decode(tree: dict[str, Any], table: type[T], around: Surroundings) -> tuple[T, list[Problem]]:
    """The settings in a tree as tomllib reads it, and everything that is wrong in it."""
    decoder = _Decoder(around)
    return cast(T, decoder.table(tree, table_shape(table), "")), decoder.problems


class _Decoder:
    """Walks the tree and the shape together; `key` is the path so far."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.problems: list[Problem] = []

    def _refuse(self, key: str, wrong: str, instead: str) -> Any:
        self.problems.append(Problem(key, wrong, instead))
        return BROKEN

    def _value(self, value: Any, shape: Shape, key: str, *, has_default: bool = False) -> Any:
        match shape:
            case Leaf():
                return self._leaf(value, shape, key)
            case Array():
                return self._array(value, shape, key, has_default)
            case OneTable():
                return self.table(value, shape, key)
            case NamedTables():
                return self._named(value, shape, key)

    def _leaf(self, value: Any, shape: Leaf, key: str) -> Any:
        try:
            return shape.form.parse(value, self._around)
        except Wrong as wrong:
            self.problems.append(wrong.at(key))
            return BROKEN

    def _array(self, value: Any, shape: Array, key: str, has_default: bool) -> Any:
        if not isinstance(value, list):
            return self._refuse(key, f"{kind_of(value)} stands here", "write an array, in [ ]")
        if shape.not_empty and not value:
            otherwise = ", or leave the key out" if has_default else ""
            return self._refuse(key, "this array is empty", f"write at least one element{otherwise}")
        elements = [self._value(one, shape.element, f"{key}[{at}]") for at, one in enumerate(value)]
        if not all(map(sound, elements)):
            return BROKEN
        for at, element in enumerate(elements):
            if element in elements[:at]:
                return self._refuse(f"{key}[{at}]", "this stands twice in the array", "leave one of them out")
        return tuple(elements)

    def table(self, value: Any, shape: OneTable, key: str, name: str = "") -> Table:
        """The struct, whatever is wrong in it."""
        if not isinstance(value, dict):
            self._refuse(key, f"{kind_of(value)} stands here", f"write a table: [{key}]")
            values = dict.fromkeys(shape.keys, BROKEN)
        else:
            self._unknown(value, shape, key)
            values = {each.name: self._member(value, each, key) for each in shape.keys.values()}
        if shape.name_attribute:
            values[shape.name_attribute] = name
        return shape.type(**values)

    def _unknown(self, value: dict[str, Any], shape: OneTable, key: str) -> None:
        for name in value:
            if name not in shape.keys:
                retired = RETIRED.get((shape.type, name))
                self._refuse(path(key, name), "there is no such key", retired or did_you_mean(name, shape.keys))

    def _member(self, table: dict[str, Any], member: Key, key: str) -> Any:
        at = path(key, member.name)
        has_default = member.default is not msgspec.NODEFAULT
        if member.name in table:
            return self._value(table[member.name], member.shape, at, has_default=has_default)
        if has_default:
            return member.default
        if isinstance(member.shape, OneTable | NamedTables):
            return self._value({}, member.shape, at)
        return self._refuse(at, "this key is missing", f"write {member.name} = ... ({member.doc})")

    def _named(self, value: Any, shape: NamedTables, key: str) -> dict[str, Table]:
        if not isinstance(value, dict):
            self._refuse(key, f"{kind_of(value)} stands here", f"write tables: [{key}.<name>]")
            return {}
        for name in value:
            self._leaf(name, Leaf(shape.name), path(key, name))
        return {name: self.table(one, shape.table, path(key, name), name) for name, one in value.items()}
