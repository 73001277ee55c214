"""Which files the settings were read from, and whether two configurations are the same."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import Settings

_DIGEST_LENGTH = 12


def files_of(value: object) -> Iterator[Path]:
    """Every file that is named in settings or a part of them, in their order."""
    match value:
        case Path():
            yield value
        case Secret():
            if value.file is not None:
                yield value.file
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from files_of(getattr(value, name))
        case dict():
            for one in value.values():
                yield from files_of(one)
        case tuple():
            for one in value:
                yield from files_of(one)


def digest_of(tree: dict[str, Any], settings: Settings) -> str:
    """What tells two configurations apart: the file with its overrides, and the callers' public keys.

    Secrets do not count. The digest is shown to everybody who may see the metrics, and a weak secret could be guessed
    from it.
    """
    hashed = hashlib.sha256(json.dumps(tree, sort_keys=True, default=str).encode())
    for _, caller in sorted(settings.callers.items()):
        hashed.update(hashlib.sha256(caller.key_material).digest())
    return hashed.hexdigest()[:_DIGEST_LENGTH]
