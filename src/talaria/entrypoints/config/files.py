"""The files that settings name, and the digest that tells two configurations apart."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from talaria.entrypoints.config.decoding import keys_of
from talaria.entrypoints.config.problems import path
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.types import unwrap

_DIGEST_LENGTH = 12


class NamedFile(NamedTuple):
    """A file, and the key that names it. `private`: its owner alone is to read it."""

    key: str
    file: Path
    private: bool


def files_of(value: object, key: str = "", private: bool = False) -> Iterator[NamedFile]:
    """Every file that is named in settings or a part of them, in their order."""
    match value:
        case Path():
            yield NamedFile(key, value, private)
        case Secret(file=Path() as file):
            yield NamedFile(key, file, True)
        case msgspec.Struct():
            for name, field in keys_of(type(value)).items():
                is_private = "private" in unwrap(field.type)[1]
                yield from files_of(getattr(value, name), path(key, name), is_private)
        case dict():
            for name, one in value.items():
                yield from files_of(one, path(key, str(name)))
        case tuple():
            for at, one in enumerate(value):
                # An API key may be written without a list around it.
                yield from files_of(one, key if isinstance(one, Secret) else f"{key}[{at}]")


def digest_of(tree: dict[str, Any], settings: Settings) -> str:
    """What tells two configurations apart: the file with its overrides, and the callers' public keys.

    Secrets do not count: the digest is shown to all that may see the metrics, and a weak secret could be guessed from
    it.
    """
    hashed = hashlib.sha256(json.dumps(tree, sort_keys=True, default=str).encode())
    for _, caller in sorted(settings.callers.items()):
        hashed.update(hashlib.sha256(caller.key_material).digest())
    return hashed.hexdigest()[:_DIGEST_LENGTH]
