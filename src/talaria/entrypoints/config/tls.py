"""Certificates and their keys: tried out once, and stamped, so that a change of a file is a change of the settings."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from talaria.adapters.tls import certificate_end, client_tls, server_tls
from talaria.entrypoints.config.files import files_of
from talaria.entrypoints.config.problems import Diagnostics, path
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import ServerTlsSettings, Settings, TlsSettings

T = TypeVar("T", bound=Struct)
_Tls = ServerTlsSettings | TlsSettings


def read_tls(settings: Settings, diagnostics: Diagnostics) -> Settings:
    """The settings with every `stamp` filled in, as far as the files are good."""

    def stamped(at: str, table: T, key: str = "tls") -> T:
        return replace(table, **{key: _stamped(f"{at}.{key}", getattr(table, key), diagnostics)})

    return replace(
        settings,
        server=stamped("server", settings.server),
        callers={name: stamped(f"callers.{name}", one, "jwks_tls") for name, one in settings.callers.items()},
        personal=stamped("personal", settings.personal),
        partners={id: stamped(f"partners.{id}", one) for id, one in settings.partners.items()},
        upstreams={name: stamped(f"upstreams.{name}", one) for name, one in settings.upstreams.items()},
    )


def certificate_ends(settings: Settings) -> dict[tuple[str | int, ...], float]:
    """When each certificate of ours ends, by its kind ("listener" or "client") and the dependency that it is for."""
    ends = {
        ("listener", ""): settings.server.tls.certificate_end,
        ("client", "personal"): settings.personal.tls.certificate_end,
        **{("client", id): one.tls.certificate_end for id, one in settings.partners.items()},
        **{("client", name): one.tls.certificate_end for name, one in settings.upstreams.items()},
        **{("client", f"caller-keys:{name}"): one.jwks_tls.certificate_end for name, one in settings.callers.items()},
    }
    return {labels: end for labels, end in ends.items() if end}


def _stamped(key: str, tls: _Tls, diagnostics: Diagnostics) -> _Tls:
    files = [named.file for named in files_of(tls)]
    if not files or not diagnostics.is_valid(*(path(key, name) for name in tls.__struct_fields__)):
        return tls
    if (tls.cert_file is None) != (tls.key_file is None):
        hint = "write cert_file and key_file, both or none"
        diagnostics.refuse(key, "a certificate and its key go together", hint)
        return tls
    try:
        _try_out(tls)
        return replace(tls, stamp=_stamp(files), certificate_end=certificate_end(tls.cert_file) if tls.cert_file else 0)
    except OSError as error:
        diagnostics.refuse(key, f"a file of it can't be read ({error.strerror})", "name ones that this user may read")
    except ValueError as error:
        diagnostics.refuse(key, str(error), "put certificates and keys in PEM form there")
    return tls


def _try_out(tls: _Tls) -> None:
    if isinstance(tls, TlsSettings):
        client_tls(tls.ca_file, tls.cert_file, tls.key_file)
    elif tls.cert_file is not None and tls.key_file is not None:
        server_tls(tls.cert_file, tls.key_file)


def _stamp(files: Sequence[Path]) -> Secret:
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(hashlib.sha256(file.read_bytes()).digest())
    return Secret(hashed.hexdigest())
