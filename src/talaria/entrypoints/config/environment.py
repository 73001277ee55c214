"""Overrides: `TALARIA__SECTION__KEY` in the environment stands for `key` in `[section]` of the file.

Two underscores nest. Names are compared without case, and `-` is taken for `_`, for an environment variable can't be
spelled otherwise. A value is read as a TOML value where it is one, else as a string.
"""

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from talaria.entrypoints.config.problems import Diagnostics, did_you_mean
from talaria.entrypoints.config.schema import resolve, schema

PREFIX = "TALARIA__"


def override(tree: dict[str, Any], environ: Mapping[str, str], diagnostics: Diagnostics) -> dict[str, str]:
    """Put the overrides into `tree`, in place. Returns which variable set which key path.

    A variable that matches nothing is a problem.
    """
    sources: dict[str, str] = {}
    for variable in sorted(name for name in environ if name.upper().startswith(PREFIX)):
        try:
            environ[variable].encode()
            sources[_put(tree, variable[len(PREFIX) :].split("__"), environ[variable])] = variable
        except UnicodeEncodeError:
            diagnostics.refuse(variable, "this variable is not UTF-8 text", "write it as UTF-8")
        except _NoMatch as unmatched:
            diagnostics.refuse(variable, "this variable matches no setting", str(unmatched))
    return sources


class _NoMatch(Exception):
    """Says what to write instead."""


def _put(tree: dict[str, Any], names: list[str], text: str) -> str:
    """Set the value and return its key path. Nothing is touched unless the whole name matches."""
    steps: list[str] = []
    table: Any = tree
    part = schema()
    for wanted in names:
        key = ".".join(steps)
        if not isinstance(table, dict):
            raise _NoMatch(f"{key} is no table in the file: write it as one there")
        name, part = _step(table, part, wanted, key)
        steps.append(name)
        table = table.get(name, {})
    for name in steps[:-1]:
        tree = tree.setdefault(name, {})
    tree[steps[-1]] = _read(text, part)
    return ".".join(steps)


def _step(table: dict[str, Any], part: dict[str, Any], wanted: str, key: str) -> tuple[str, dict[str, Any]]:
    if keys := part.get("properties"):
        name = _find(wanted, keys, key)
        return name, resolve(keys[name])
    if one_of_many := part.get("additionalProperties"):
        return _find(wanted, table, key), resolve(one_of_many)
    raise _NoMatch(f"{key} has no keys of its own: end the name there")


def _find(wanted: str, known: Iterable[str], key: str) -> str:
    known = list(known)
    found = [name for name in known if _fold(name) == _fold(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise _NoMatch(f"it could mean any of {', '.join(found)} in {key}: change the file instead")
    where = f"in {key}" if key else "at the top"
    raise _NoMatch(f'there is no "{wanted}" {where}; {did_you_mean(wanted.lower(), known)}')


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


def _read(text: str, part: dict[str, Any]) -> Any:
    """What the text stands for. A bare 8080 or true is text where a text belongs."""
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = read["value"]
    if len(read) > 1 or (part.get("type") == "string" and not isinstance(value, str | list | dict)):
        return text
    return value
