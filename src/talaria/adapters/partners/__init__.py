"""The partners that this program can talk to: one module of this package for each, found by its name.

A new partner is a new module with a class `Accounts(client, api_key)` that fulfils the port `PartnerAccounts`. There
is no list to keep in step: the module's name is what `adapter` in the configuration says.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, cast

from talaria.domain.ports import PartnerAccounts

if TYPE_CHECKING:
    # Only `build` needs it, and its caller has it: the names alone should not cost the import of an HTTP library.
    from talaria.adapters.dependency_client import DependencyClient


def known() -> frozenset[str]:
    """The names of all adapters."""
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))


def build(adapter: str, client: "DependencyClient", api_key: str) -> PartnerAccounts:
    """The accounts of one partner, asked through `client` with `api_key`.

    Raises LookupError for an adapter that is not among the known.
    """
    if adapter not in known():
        raise LookupError(f"no adapter {adapter!r}; there are: {', '.join(sorted(known()))}")
    return cast(PartnerAccounts, import_module(f"{__name__}.{adapter}").Accounts(client, api_key))
