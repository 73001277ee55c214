"""Warnings: secrets that every user of the machine may read, plain http to the outside, trusting every proxy."""

import stat
from collections.abc import Iterator
from shlex import quote

from talaria.entrypoints.config.files import NamedFile
from talaria.entrypoints.config.problems import Diagnostics
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.config.types import is_encrypted_or_local


def warn(settings: Settings, files: list[NamedFile], diagnostics: Diagnostics) -> None:
    """Add the warnings on settings without problems."""
    for named in files:
        if named.private and named.file.stat().st_mode & stat.S_IROTH:
            wrong = f'every user of this machine may read "{named.file}"'
            diagnostics.warn(named.key, wrong, f"chmod o-r {quote(str(named.file))}")
    for key, url in _outside(settings):
        if not is_encrypted_or_local(url):
            diagnostics.warn(key, "plain http can be read and changed on the way", "use https")
    for position, network in enumerate(settings.server.trusted_proxies):
        if not network.prefixlen:
            wrong = "every client is believed what address it claims"
            diagnostics.warn(f"server.trusted_proxies[{position}]", wrong, "name the networks of your own proxies")


def _outside(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, caller in settings.callers.items():
        if caller.jwks_url is not None:
            yield f"callers.{name}.jwks_url", caller.jwks_url
    for name, partner in settings.partners.items():
        yield f"partners.{name}.url", partner.url
        for role, trial in partner.trials.items():
            if trial.url != partner.url:
                yield f"partners.{name}.{role}.url", trial.url
