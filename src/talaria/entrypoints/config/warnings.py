"""What stops nothing and is worth a look: secrets that everybody may read, ways that anybody may listen on, proxies
that anybody may be.
"""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from talaria.entrypoints.config.addresses import is_private_way
from talaria.entrypoints.config.findings import Findings
from talaria.entrypoints.config.problems import path
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.shape import Array, Leaf, NamedTables, OneTable, Shape, table_shape
from talaria.entrypoints.config.values import PRIVATE_FILE


def look(settings: Settings, findings: Findings) -> None:
    """Add the warnings on settings without problems."""
    for at, file in _secret_files(settings, table_shape(Settings), ""):
        if file.stat().st_mode & stat.S_IROTH:
            findings.warn(at, f'everybody on this machine may read "{file}"', f"chmod o-r {file}")
    for at, url in _outside(settings):
        if not is_private_way(url):
            findings.warn(at, "plain http can be read and changed on the way", "use https")
    for position, network in enumerate(settings.server.trusted_proxies):
        if not network.prefixlen:
            wrong = "whoever connects is believed what address he claims"
            findings.warn(f"server.trusted_proxies[{position}]", wrong, "name the networks of your own proxies")


def _secret_files(value: Any, shape: Shape, key: str) -> Iterator[tuple[str, Path]]:
    """Where each file with a secret is named: whatever a later setting adds is found here too."""
    match shape:
        case OneTable():
            for name, member in shape.keys.items():
                yield from _secret_files(getattr(value, name), member.shape, path(key, name))
        case NamedTables():
            for name, one in value.items():
                yield from _secret_files(one, shape.table, path(key, name))
        case Array():
            for at, one in enumerate(value):
                yield from _secret_files(one, shape.element, f"{key}[{at}]")
        case Leaf():
            for one in value if isinstance(value, tuple) else (value,):
                file = one.file if isinstance(one, Secret) else one if shape.form is PRIVATE_FILE else None
                if file is not None:
                    yield key, file


def _outside(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, caller in settings.callers.items():
        if caller.jwks_url is not None:
            yield f"callers.{name}.jwks_url", caller.jwks_url
    for name, partner in settings.partners.items():
        yield f"partners.{name}.url", partner.url
