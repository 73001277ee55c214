"""The settings as they would be written into a file, without a secret: for operators, and to compare two of them."""

from typing import Any, get_args

import msgspec

from talaria.entrypoints.config.decoding import keys_of
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.types import unwrap

HIDDEN = "***"
"""Stands for a secret."""


def without_secrets(settings: Settings) -> dict[str, Any]:
    """Every setting in force, defaults too, as JSON has it: durations and sizes as texts, HIDDEN for each secret."""
    return _table(settings)


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Both values of each key path in which two such trees differ; None where there is none."""
    flat, other = dict(_flat(ours)), dict(_flat(theirs))
    paths = dict.fromkeys([*flat, *other])
    return {path: (flat.get(path), other.get(path)) for path in paths if flat.get(path) != other.get(path)}


def _table(table: msgspec.Struct) -> dict[str, Any]:
    return {name: _value(getattr(table, name), key.type) for name, key in keys_of(type(table)).items()}


def _value(value: Any, hint: Any) -> Any:
    bare, said = unwrap(hint)
    if "write" in said:
        return said["write"](value)
    match value:
        case Secret():
            return HIDDEN
        case dict():
            kind = get_args(bare)[1] if get_args(bare) else Any
            return {str(name): _value(one, kind) for name, one in value.items()}
        case tuple() | list():
            kind = get_args(bare)[0] if get_args(bare) else Any
            return [_value(one, kind) for one in value]
        case msgspec.Struct() if keys_of(type(value)):
            return _table(value)
    return value if isinstance(value, int | float | None) else str(value)


def _flat(tree: dict[str, Any], before: str = "") -> "list[tuple[str, Any]]":
    found: list[tuple[str, Any]] = []
    for name, value in tree.items():
        path = f"{before}{name}"
        found += _flat(value, f"{path}.") if isinstance(value, dict) and value else [(path, value)]
    return found
