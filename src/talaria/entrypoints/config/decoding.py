"""A tree of TOML values becomes settings, field by field, and every problem is collected on the way.

Where a value is missing or invalid, an empty one of its type stands in its place, and `Diagnostics` knows. Settings
with problems are never handed on: the loader raises.
"""

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo, fields

from talaria.entrypoints.config.problems import Diagnostics, InvalidValue, did_you_mean, kind_of, path, shown
from talaria.entrypoints.config.settings import RETIRED
from talaria.entrypoints.config.sources import LoadContext
from talaria.entrypoints.config.types import is_table, unwrap

T = TypeVar("T", bound=msgspec.Struct)


@cache
def keys_of(table: type[msgspec.Struct]) -> Mapping[str, FieldInfo]:
    """The fields of a table that are keys of the file: the loader fills in the others."""
    return {field.name: field for field in fields(table) if "loaded" not in unwrap(field.type)[1]}


def default_of(field: FieldInfo) -> Any:
    """The default of a field that has one."""
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def convert(value: object, hint: Any, context: LoadContext) -> Any:
    """A single value as its type keeps it. Raises InvalidValue."""
    bare, said = unwrap(hint)
    try:
        parsed = said["parse"](value, context) if "parse" in said else value
        return parsed if "parse" in said and "ge" not in said else msgspec.convert(parsed, hint)
    except InvalidValue as invalid:
        raise InvalidValue(invalid.wrong, invalid.hint or _hint(said)) from None
    except msgspec.ValidationError:
        raise InvalidValue(_wrong(value, bare, said), _hint(said)) from None


def _wrong(value: object, bare: Any, said: Mapping[str, Any]) -> str:
    if "parse" not in said and type(value) is not bare:
        return f"{kind_of(value)} stands here"
    return f"{shown(value)} {'has not the right form' if bare is str else 'is out of range'}"


def _hint(said: Mapping[str, Any]) -> str:
    hint, write = str(said["hint"]), said.get("write", str)
    return hint.format(least=write(said["ge"]), most=write(said["le"])) if "ge" in said else hint


def _empty(bare: Any) -> Any:
    if is_table(bare):
        return bare(**{name: _empty(unwrap(key.type)[0]) for name, key in keys_of(bare).items()})
    return None if isinstance(bare, UnionType) or bare is Any else (get_origin(bare) or bare)()


class Decoder:
    """Walks the tree and the types together; `key` is the path so far."""

    def __init__(self, context: LoadContext, diagnostics: Diagnostics) -> None:
        self._context = context
        self._invalid = diagnostics.invalid
        self._is_valid = diagnostics.is_valid

    def table(self, value: object, kind: type[T], key: str = "") -> T:
        """The struct, whatever is wrong in it."""
        if not isinstance(value, dict):
            self._invalid(key, f"{kind_of(value)} stands here", f"write a table: [{key}]")
            return cast(T, _empty(kind))
        keys = keys_of(kind)
        for unknown in value:
            if unknown not in keys:
                hint = RETIRED.get((kind, unknown)) or did_you_mean(unknown, keys)
                self._invalid(path(key, unknown), "there is no such key", hint)
        values = {each: self._member(value, field, path(key, each)) for each, field in keys.items()}
        return kind(**values)

    def _member(self, table: dict[str, Any], field: FieldInfo, key: str) -> Any:
        bare, said = unwrap(field.type)
        if field.name in table:
            return self._value(table[field.name], field.type, key, otherwise="" if field.required else _LEAVE_OUT)
        if not field.required:
            return default_of(field)
        if is_table(bare) or get_origin(bare) is dict:
            return self._value({}, field.type, key)
        self._invalid(key, "this key is missing", f"write {field.name} = ... ({said['description']})")
        return _empty(bare)

    def _value(self, value: Any, hint: Any, key: str, otherwise: str = "") -> Any:
        bare, said = unwrap(hint)
        if is_table(bare):
            return self.table(value, bare, key)
        if get_origin(bare) is dict:
            return self._named(value, bare, key)
        if get_origin(bare) is tuple and "parse" not in said:
            return self._array(value, hint, key, otherwise)
        try:
            return convert(value, hint, self._context)
        except InvalidValue as invalid:
            self._invalid(key, invalid.wrong, invalid.hint)
            return _empty(bare)

    def _array(self, value: Any, hint: Any, key: str, otherwise: str) -> tuple[Any, ...]:
        bare, said = unwrap(hint)
        if not isinstance(value, list):
            self._invalid(key, f"{kind_of(value)} stands here", "write an array, in [ ]")
            return ()
        if not value and said.get("min_length"):
            self._invalid(key, "this array is empty", f"write at least one element{otherwise}")
        elements = [self._value(one, get_args(bare)[0], f"{key}[{at}]") for at, one in enumerate(value)]
        for at, element in enumerate(elements):
            if element in elements[:at] and self._is_valid(f"{key}[{at}]"):
                self._invalid(f"{key}[{at}]", "this stands twice in the array", "leave one of them out")
        return tuple(elements)

    def _named(self, value: Any, bare: Any, key: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._invalid(key, f"{kind_of(value)} stands here", f"write tables: [{key}.<name>]")
            return {}
        name_type, kind = get_args(bare)
        for name in value:
            self._value(name, name_type, path(key, name))
        return {name: self._value(one, kind, path(key, name)) for name, one in value.items()}


_LEAVE_OUT = ", or leave the key out"
