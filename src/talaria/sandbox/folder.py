"""The gateway's configuration, keys and secrets for a sandbox, as real files in a folder."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from talaria.adapters.auth.key_files import load_signing_key, write_new_key
from talaria.sandbox.toml_writer import dumps, merged

SIGNING_KEY = "keys/signing.pem"
CALLER_KEY = "keys/callers/app.pem"
_FIRST_LINE = "# Written by talaria sandbox, and written anew each time that it starts with this folder."


class ForeignFolder(ValueError):
    """A folder holds a configuration that the sandbox has not written."""


class SandboxFolder:
    """Makes the signing key and the caller's key where they are not there yet.

    Raises ForeignFolder where there is another configuration, and leaves the folder alone then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_path = path / "talaria.toml"
        if self.config_path.exists() and not self.config_path.read_text("utf-8", "replace").startswith(_FIRST_LINE):
            raise ForeignFolder(f"{self.config_path} is not the sandbox's; choose another folder")
        for name in (SIGNING_KEY, CALLER_KEY):
            key = path / name
            key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not key.exists():
                write_new_key(key)

    def caller_key(self) -> EllipticCurvePrivateKey:
        """The key that signs callers' tokens. Raises ForeignFolder for a key of another kind."""
        key, _ = load_signing_key((self.path / CALLER_KEY).read_bytes())
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ForeignFolder(f"{self.path / CALLER_KEY} is not a P-256 key of the sandbox; remove it")
        return key

    def secret(self, name: str) -> str:
        """The secret of this name: the one that is there, or a fresh one in a file that only its owner can read."""
        path = self.path / secret_file(name)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_urlsafe(24).encode() + b"\n")
        return path.read_text("utf-8").strip()

    def write_configuration(self, tree: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """The configuration, with the changes laid over it."""
        self.config_path.write_text(f"{_FIRST_LINE}\n\n{dumps(merged(tree, changes))}", "utf-8")


def secret_file(name: str) -> str:
    """A secret's file, relative to the folder."""
    return f"secrets/{name}"


def secret_setting(name: str) -> dict[str, str]:
    """How the configuration names a secret."""
    return {"file": secret_file(name)}
