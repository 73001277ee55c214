"""Certificates and their keys: tried out once, and stamped, so that a change of a file is a change of the settings."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from talaria.adapters.tls import client_tls, server_tls
from talaria.entrypoints.config.decode import sound
from talaria.entrypoints.config.findings import Findings
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import ServerTlsSettings, Settings, TlsSettings

_BOTH = "write cert_file and key_file, both or none"


def read_tls(settings: Settings, findings: Findings) -> Settings:
    """The settings with every `stamp` filled in, as far as the files are good."""
    server = replace(settings.server, tls=_server(settings.server.tls, findings))
    personal = replace(settings.personal, tls=_client("personal.tls", settings.personal.tls, findings))
    partners = {
        id: replace(one, tls=_client(f"partners.{id}.tls", one.tls, findings)) for id, one in settings.partners.items()
    }
    upstreams = {
        name: replace(one, tls=_client(f"upstreams.{name}.tls", one.tls, findings))
        for name, one in settings.upstreams.items()
    }
    callers = {
        name: replace(one, jwks_tls=_client(f"callers.{name}.jwks_tls", one.jwks_tls, findings))
        for name, one in settings.callers.items()
    }
    return replace(settings, server=server, callers=callers, personal=personal, partners=partners, upstreams=upstreams)


def _server(tls: ServerTlsSettings, findings: Findings) -> ServerTlsSettings:
    if not _is_whole(tls) or not _paired("server.tls", tls, findings):
        return tls
    if tls.cert_file is None or tls.key_file is None:
        return tls
    try:
        server_tls(tls.cert_file, tls.key_file)
    except (ValueError, OSError) as error:
        _refuse("server.tls", error, findings)
        return tls
    return replace(tls, stamp=_stamp(tls.cert_file, tls.key_file))


def _client(at: str, tls: TlsSettings, findings: Findings) -> TlsSettings:
    if not _is_whole(tls) or not _paired(at, tls, findings):
        return tls
    if not any(_files(tls)):
        return tls
    try:
        client_tls(tls.ca_file, tls.cert_file, tls.key_file)
    except (ValueError, OSError) as error:
        _refuse(at, error, findings)
        return tls
    return replace(tls, stamp=_stamp(*_files(tls)))


def _is_whole(tls: ServerTlsSettings | TlsSettings) -> bool:
    return sound(tls) and all(sound(getattr(tls, name)) for name in tls.__struct_fields__)


def _paired(at: str, tls: ServerTlsSettings | TlsSettings, findings: Findings) -> bool:
    if (tls.cert_file is None) == (tls.key_file is None):
        return True
    findings.refuse(at, "a certificate and its key go together", _BOTH)
    return False


def _refuse(at: str, error: ValueError | OSError, findings: Findings) -> None:
    if isinstance(error, OSError):
        findings.refuse(at, f"a file of it can't be read ({error.strerror})", "name readable files")
    else:
        findings.refuse(at, str(error), "put certificates and keys in PEM form there")


def _files(tls: TlsSettings) -> Iterator[Path]:
    yield from (file for file in (tls.ca_file, tls.cert_file, tls.key_file) if file is not None)


def _stamp(*files: Path) -> Secret:
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(hashlib.sha256(file.read_bytes()).digest())
    return Secret(hashed.hexdigest())
