"""The partners that this program can talk to: one module of this package for each, or a package of its own.

A module is found by its name, which is what `adapter` in the configuration says; its class `Accounts` is the adapter.
An installed distribution has an adapter by an entry point of the group `talaria.partners`. It is looked for, and
imported, only where the configuration names it and no module here has the name. docs/partners/ says how to write one.
"""

import pkgutil
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from talaria import __version__
from talaria.adapters.partner_kit import CONTRACT

GROUP = "talaria.partners"


class Adapter(NamedTuple):
    """An adapter's class, which is made with a PartnerContext, and the distribution that it came with."""

    kind: type[Any]
    distribution: str
    version: str


class BadAdapter(Exception):
    """An adapter of this name is there and can't be used; the text says why, in one line."""


def known() -> frozenset[str]:
    """The names of all adapters. Imports none of them."""
    return _built_in() | entry_points(group=GROUP).names


def find(name: str) -> Adapter:
    """The adapter of this name, imported. Raises LookupError where there is none, or BadAdapter."""
    if name in _built_in():
        return Adapter(import_module(f"{__name__}.{name}").Accounts, "talaria-proxy", __version__)
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        raise LookupError(f"no adapter {name!r}; there are: {', '.join(sorted(known()))}")
    if len(found) > 1:
        raise BadAdapter(f"{' and '.join(sorted(map(_source, found)))} each have one")
    (entry,) = found
    kind = _loaded(entry)
    if getattr(kind, "contract", None) != CONTRACT:
        said = getattr(kind, "contract", "none")
        raise BadAdapter(f"{_source(entry)} is for contract {said}, and this gateway has contract {CONTRACT}")
    if entry.dist is None:
        return Adapter(kind, "", "")
    return Adapter(kind, entry.dist.name, entry.dist.version)


def _built_in() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))


def _loaded(entry: EntryPoint) -> type[Any]:
    try:
        kind = entry.load()
    except (Exception, SystemExit) as error:  # of code that is not ours, run for the first time
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BadAdapter(f"{_source(entry)} can't be imported ({cause})") from error
    if not isinstance(kind, type) or not callable(getattr(kind, "user_of", None)):
        raise BadAdapter(f"{entry.value} of {_source(entry)} is no class with a method user_of")
    return kind


def _source(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value
