"""Reload: after SIGHUP, and when a key or a secret has changed in its file.

Both read everything anew, the configuration too. A valid configuration replaces the one in force, in one step; of an
invalid one every problem is logged and nothing changes. The configuration file itself is not watched: it may be half
written until SIGHUP says that it is complete.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from talaria.entrypoints.config import ConfigurationError, Settings, load
from talaria.entrypoints.config.settings import ServerSettings
from talaria.entrypoints.config.sources import versions_of
from talaria.entrypoints.runtime.gateway_server import GatewayServer
from talaria.entrypoints.runtime.sd_notify import ServiceManager

logger = logging.getLogger("talaria.reloading")

POLL_SECONDS = 3.0
_FIXED = {
    "server": ("listen", "ops_listen", "decision_listen", "workers"),
    "tracing": ("endpoint",),
    "logging": ("format",),
}


class Reloader:
    """Keeps a gateway in step with its files, and tells `manager` of each reload.

    `read` gives the settings or raises ConfigurationError.
    """

    def __init__(
        self,
        server: GatewayServer,
        path: Path,
        read: Callable[[Path], Settings] = load,
        poll_seconds: float = POLL_SECONDS,
        manager: ServiceManager | None = None,
    ) -> None:
        self._server = server
        self._path = path
        self._manager = manager or ServiceManager({})
        self._read = read
        self._poll_seconds = poll_seconds
        self._asked = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._seen = server.settings.files

    def ask(self) -> None:
        """Reload soon: for a signal."""
        self._asked.set()

    async def watch(self) -> None:
        """Reload whenever there is a reason to, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._asked.wait()
            if self._asked.is_set():
                self._asked.clear()
                await self.reload("asked to")
            elif versions_of(self._seen) != self._seen:
                await self.reload("a key or secret file has changed")

    async def reload(self, why: str) -> bool:
        """Read everything anew and serve by it; False where the old goes on."""
        async with self._one_at_a_time:
            self._manager.reloading()
            try:
                return await self._reload(why)
            finally:
                self._manager.ready()

    async def _reload(self, why: str) -> bool:
        # What is refused is not read again before it changes once more; a change while it is read is one.
        self._seen = versions_of(self._seen)
        try:
            settings = await asyncio.to_thread(self._read, self._path)
            self._server.reconfigure(with_fixed_settings(settings, self._server.settings))
        except ConfigurationError as error:
            self._refuse(why, [str(problem) for problem in error.problems])
            return False
        except Exception:
            logger.exception("a part of the new configuration can't be built")
            self._refuse(why, ["a part can't be built: the line before this one says which"])
            return False
        self._seen = settings.files
        for warning in settings.warnings:
            logger.warning("warning: %s", warning)
        logger.info("configuration reloaded", extra={"why": why, "hash": settings.digest})
        return True

    def _refuse(self, why: str, problems: list[str]) -> None:
        self._server.reload_failed()
        extra = {"why": why, "problems": problems}
        logger.error("the configuration on disk is not taken; the one before goes on", extra=extra)


def latest(started_with: Settings, path: Path) -> Settings:
    """What a worker that replaces another begins with: what is on disk now if it is valid, else the very settings that
    the start had.
    """
    try:
        return with_fixed_settings(load(path), started_with)
    except ConfigurationError as error:
        problems = [str(problem) for problem in error.problems]
        logger.error("a worker begins with the configuration of the start", extra={"problems": problems})
        return started_with


def with_fixed_settings(settings: Settings, in_use: Settings) -> Settings:
    """The settings with those in use that no reload can change: addresses, workers, collector, the lines' format."""
    fixed = {table: (getattr(settings, table), getattr(in_use, table), names) for table, names in _FIXED.items()}
    return replace(settings, **{table: _with_fixed(table, *one) for table, one in fixed.items()})


def _with_fixed(table: str, new: Any, in_use: Any, names: Sequence[str]) -> Any:
    kept = {name: getattr(in_use, name) for name in names if getattr(in_use, name) != getattr(new, name)}
    changed = [f"{table}.{name}" for name in kept]
    if isinstance(new, ServerSettings):
        if (new.tls.cert_file is None) != (in_use.tls.cert_file is None):
            kept["tls"] = in_use.tls  # another certificate is taken, but a listener does not change its language
            changed.append("server.tls")
        if in_use.tls.cert_file is not None and new.header_timeout != in_use.header_timeout:
            changed.append("server.header_timeout of a TLS handshake")
    for key in changed:
        logger.warning("%s comes in force with the next start only", key)
    return replace(new, **kept)
