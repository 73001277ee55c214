"""The settings as a JSON Schema (2020-12) of the file as it is written, for editors, pipelines and docs/settings.md."""

from functools import cache
from types import GenericAlias
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta
from msgspec.structs import FieldInfo

from talaria.entrypoints.config.decoding import default_of, keys_of
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.types import is_table, unwrap


@cache
def schema() -> dict[str, Any]:
    """The schema. What no single value shows (names that must exist, keys that must fit) is not in it."""
    _, tables = msgspec.json.schema_components([_as_written(Settings)], ref_template="#/$defs/{name}")
    file = {**tables.pop("Settings"), "title": "talaria.toml"}
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **file, "$defs": tables}
    return dict(msgspec.json.decode(msgspec.json.encode(whole)))


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema with what it refers to; of several ways to write a value, the first."""
    if "$ref" in part:
        return {**schema()["$defs"][part["$ref"].rpartition("/")[2]], **part}
    return {**part, **part["anyOf"][0]} if "anyOf" in part else part


@cache
def _as_written(table: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct that the file's own values would fill: with texts for durations, and without what the loader adds."""
    keys = [(key.name, _type(key.type), _default(key)) for key in keys_of(table).values()]
    doc = {"__doc__": str(table.__doc__).partition("\n")[0]}
    return msgspec.defstruct(table.__name__, keys, namespace=doc, kw_only=True, forbid_unknown_fields=True)


def _type(hint: Any) -> Any:
    bare, said = unwrap(hint)
    least = said.get("min_length")
    notes = Meta(title=said.get("title"), description=said.get("description"), extra_json_schema=said.get("schema"))
    if "parse" in said:
        return Annotated[Any, notes]
    if is_table(bare):
        return Annotated[_as_written(bare), notes]
    if get_origin(bare) is dict:
        name, kind = get_args(bare)
        return Annotated[GenericAlias(dict, (name, _type(kind))), Meta(min_length=least, description=notes.description)]
    if get_origin(bare) is tuple:
        elements = Meta(min_length=least, description=notes.description, extra_json_schema={"uniqueItems": True})
        return Annotated[GenericAlias(tuple, (_type(get_args(bare)[0]), ...)), elements]
    return hint


def _default(key: FieldInfo) -> Any:
    """The default as it is written; NODEFAULT where the key is required."""
    if key.required:
        return NODEFAULT
    bare, said = unwrap(key.type)
    value = default_of(key)
    written = said["write"](value) if "write" in said else value
    # What is none, or follows from other keys, is not shown.
    is_shown = written not in (None, "") and not is_table(bare) and (written != () or "min_length" not in said)
    return written if is_shown else msgspec.field(default_factory=object)
