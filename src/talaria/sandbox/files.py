"""The gateway's configuration, keys and secrets for a sandbox, as real files in a folder."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from talaria.adapters.auth.key_files import load_signing_key, write_new_key
from talaria.sandbox.toml import dumps, merged

CONFIG = "talaria.toml"
SIGNING_KEY = "keys/signing.pem"
CALLER_KEY = "keys/callers/app.pem"
_FIRST_LINE = "# Written by talaria sandbox, and written anew each time that it starts with this folder."


class NotOurs(ValueError):
    """A folder holds a configuration that the sandbox has not written."""


def write_keys(folder: Path) -> EllipticCurvePrivateKey:
    """The gateway's signing key and the caller's key, where they are not there yet; the caller's private key.

    Raises NotOurs where the folder has another configuration, and leaves it alone.
    """
    _check_ours(folder / CONFIG)
    for name in (SIGNING_KEY, CALLER_KEY):
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            write_new_key(path)
    key, _ = load_signing_key((folder / CALLER_KEY).read_bytes())
    if not isinstance(key, EllipticCurvePrivateKey):
        raise NotOurs(f"{folder / CALLER_KEY} is not a P-256 key of the sandbox; remove it")
    return key


def secret(folder: Path, name: str) -> str:
    """The secret of this name: the one that is there, or else a fresh one in a file that its owner alone can read."""
    path = folder / secret_file(name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
    return path.read_text().strip()


def secret_file(name: str) -> str:
    """How the configuration names a secret's file."""
    return f"secrets/{name}"


def write_configuration(folder: Path, tree: Mapping[str, Any], changes: Mapping[str, Any]) -> Path:
    """The configuration, with the changes laid over it."""
    path = folder / CONFIG
    path.write_text(f"{_FIRST_LINE}\n\n{dumps(merged(tree, changes))}")
    return path


def _check_ours(path: Path) -> None:
    if path.exists() and not path.read_text(errors="replace").startswith(_FIRST_LINE):
        raise NotOurs(f"{path} is not the sandbox's; choose another folder")
