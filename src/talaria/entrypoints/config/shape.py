"""The settings' types read as a shape: what the decoder, the overrides and the schema have in common."""

import typing
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import msgspec

from talaria.entrypoints.config.settings import Mark, Table
from talaria.entrypoints.config.values import Form


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value."""

    form: Form


@dataclass(frozen=True, slots=True)
class Array:
    """Any number of the same; at least one with `not_empty`."""

    element: "Shape"
    not_empty: bool


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table. `default` is msgspec.NODEFAULT where the key must be written."""

    name: str
    shape: "Shape"
    default: Any
    doc: str


@dataclass(frozen=True, slots=True)
class OneTable:
    """A table with known keys, which becomes a `type`. `name_attribute` is where its own name goes, if anywhere."""

    type: type[Table]
    keys: dict[str, Key]
    name_attribute: str | None


@dataclass(frozen=True, slots=True)
class NamedTables:
    """Tables of one kind under names that a person chooses."""

    name: Form
    table: OneTable


Shape = Leaf | Array | OneTable | NamedTables


@cache
def table_shape(table: type[Table]) -> OneTable:
    """The shape of a settings struct."""
    hints = typing.get_type_hints(table, include_extras=True)
    keys: dict[str, Key] = {}
    name_attribute = None
    for attribute in msgspec.structs.fields(table):
        hint = hints[attribute.name]
        marks = _metadata(hint)
        if Mark.NAME in marks:
            name_attribute = attribute.name
        elif Mark.LATER not in marks:
            doc = " ".join(mark for mark in marks if isinstance(mark, str))
            keys[attribute.name] = Key(attribute.name, _shape(hint), attribute.default, doc)
    return OneTable(table, keys, name_attribute)


def _shape(hint: Any) -> Shape:
    bare = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
    marks = _metadata(hint)
    form = next((mark for mark in marks if isinstance(mark, Form)), None)
    if typing.get_origin(bare) is dict and form:
        return NamedTables(form, table_shape(typing.get_args(bare)[1]))
    if form:
        return Leaf(form)
    if typing.get_origin(bare) is tuple:
        return Array(_shape(typing.get_args(bare)[0]), Mark.NOT_EMPTY in marks)
    return table_shape(bare)


def _metadata(hint: Any) -> tuple[Any, ...]:
    return getattr(hint, "__metadata__", ())
