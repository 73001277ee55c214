"""The settings as a JSON Schema (2020-12) of the file as a person writes it, for editors and pipelines."""

import re
from typing import Any

import msgspec

from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.shape import Array, Key, Leaf, NamedTables, OneTable, Shape, table_shape


def schema() -> dict[str, Any]:
    """The schema. What no single value shows (names that must exist, keys that must fit) is not in it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "talaria.toml",
        **_of(table_shape(Settings)),
    }


def _of(shape: Shape) -> dict[str, Any]:
    match shape:
        case Leaf():
            return dict(shape.form.schema)
        case Array():
            least = {"minItems": 1} if shape.not_empty else {}
            return {"type": "array", "items": _of(shape.element), "uniqueItems": True, **least}
        case OneTable():
            return _table(shape)
        case NamedTables():
            return {
                "type": "object",
                "propertyNames": dict(shape.name.schema),
                "additionalProperties": _of(shape.table),
                "minProperties": 1,
            }


def _table(shape: OneTable) -> dict[str, Any]:
    required = [key.name for key in shape.keys.values() if key.default is msgspec.NODEFAULT]
    return {
        "type": "object",
        "properties": {key.name: {**_of(key.shape), **_notes(key)} for key in shape.keys.values()},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _notes(key: Key) -> dict[str, Any]:
    notes: dict[str, Any] = {"description": key.doc} if key.doc else {}
    if is_writable(key):
        notes["default"] = written(key.default, key.shape)
    return notes


def is_writable(key: Key) -> bool:
    """Whether a person could write the default: not where it is a table, nothing, or follows from other keys."""
    match key.shape:
        case Leaf():
            if key.default is msgspec.NODEFAULT or key.default is None:
                return False
            written = str(key.shape.form.render(key.default))
            return re.search(key.shape.form.schema.get("pattern", ""), written) is not None
        case Array():
            return isinstance(key.default, tuple) and bool(key.default or not key.shape.not_empty)
    return False


def written(value: Any, shape: Shape) -> Any:
    """A default as a person would write it."""
    if isinstance(shape, Array):
        return [written(one, shape.element) for one in value]
    return shape.form.render(value) if isinstance(shape, Leaf) else value
