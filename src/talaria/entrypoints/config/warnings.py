"""What stops nothing and is worth a look: secrets that everybody may read, ways that anybody may listen on."""

import stat
from collections.abc import Iterator
from pathlib import Path

from talaria.entrypoints.config.addresses import is_private_way
from talaria.entrypoints.config.findings import Findings
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import Settings


def look(settings: Settings, findings: Findings) -> None:
    """Add the warnings on settings without problems."""
    for at, file in _secret_files(settings):
        if file.stat().st_mode & stat.S_IROTH:
            findings.warn(at, f'everybody on this machine may read "{file}"', f"chmod o-r {file}")
    for at, url in _outside(settings):
        if not is_private_way(url):
            findings.warn(at, "plain http can be read and changed on the way", "use https")


def _secret_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    for number, key in enumerate(settings.signing.keys):
        yield f"signing.keys[{number}].file", key.file
    for at, key_file in _tls_keys(settings):
        if key_file is not None:
            yield at, key_file
    for at, secret in _secrets(settings):
        if secret is not None and secret.file is not None:
            yield at, secret.file


def _tls_keys(settings: Settings) -> Iterator[tuple[str, Path | None]]:
    yield "server.tls.key_file", settings.server.tls.key_file
    yield "personal.tls.key_file", settings.personal.tls.key_file
    for id, partner in settings.partners.items():
        yield f"partners.{id}.tls.key_file", partner.tls.key_file
    for name, upstream in settings.upstreams.items():
        yield f"upstreams.{name}.tls.key_file", upstream.tls.key_file


def _secrets(settings: Settings) -> Iterator[tuple[str, Secret | None]]:
    yield "personal.token", settings.personal.token
    for name, caller in settings.callers.items():
        yield f"callers.{name}.secret", caller.secret
        yield from ((f"callers.{name}.api_key", key) for key in caller.api_key or ())
    for name, partner in settings.partners.items():
        yield f"partners.{name}.api_key", partner.api_key
    for name, upstream in settings.upstreams.items():
        yield f"upstreams.{name}.api_key", upstream.api_key


def _outside(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, caller in settings.callers.items():
        if caller.jwks_url is not None:
            yield f"callers.{name}.jwks_url", caller.jwks_url
    for name, partner in settings.partners.items():
        yield f"partners.{name}.url", partner.url
