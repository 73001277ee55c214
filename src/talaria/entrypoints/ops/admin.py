"""What the operators' listener asks of a gateway, and a gateway of one process that answers."""

import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from talaria.adapters.auth.jwks import keys_behind_url
from talaria.adapters.auth.key_rotation import KeyHistory, KeyUse
from talaria.adapters.telemetry.failure_log import FailureLog, FailureRecord, FailureRecords
from talaria.adapters.telemetry.metrics import Metrics
from talaria.adapters.telemetry.tallies import Tallies
from talaria.domain.exchange import Exchange
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.without_secrets import without_secrets
from talaria.entrypoints.ops.answers import ConfigurationInForce, LogLevel
from talaria.entrypoints.ops.readiness import Configured, Dependency, Readiness, RouteReadiness, worst


class Process(msgspec.Struct, frozen=True):
    """A worker by its number; `answers`: it has just now."""

    worker: int
    pid: int
    answers: bool


class Overview(msgspec.Struct, frozen=True):
    """All at one moment, of one process or of all workers. `signing_keys`: those in force, the one that signs first."""

    readiness: Readiness
    tallies: Tallies
    processes: list[Process]
    records: FailureRecords
    signing_keys: list[KeyUse]


class GatewayAdmin(Protocol):
    """The gateway, as operators see it: one process, or all workers."""

    async def overview(self) -> Overview:
        """How everything is now."""
        ...

    async def invalidate(self, partner: str, caller: str, phone_id: PersonalPhoneId) -> int:
        """Forget one exchanged pair in every process; how many were forgotten."""

    async def invalidate_all(self) -> int:
        """Forget every exchanged pair in every process; how many were forgotten."""

    async def configuration(self) -> ConfigurationInForce | None:
        """What is in force; None where no process answers."""

    async def reload(self) -> int:
        """Read the configuration anew and serve by it, in every process; how many do now."""

    async def set_log_level(self, level: LogLevel) -> int:
        """Write our own lines from this level upwards, in every process; how many of them do now."""


_own_logger = logging.getLogger("talaria")


def set_own_log_level(level: str) -> int:
    """In this process; 1, for that is one process."""
    _own_logger.setLevel(level.upper())
    return 1


class WorkerReport(msgspec.Struct):
    """What one worker tells the operators' process. `failures`: those after the `recorded` of its last report,
    oldest first."""

    pid: int
    readiness: Readiness
    tallies: Tallies
    recorded: int
    failures: list[FailureRecord]
    signing_keys: list[KeyUse]


class LocalAdmin:
    """The GatewayAdmin of this process. `draining` is set when it shuts down. `health`: of each dependency, by name.

    `settings` hold until the first `switch`. `reload_by` reads the configuration anew, where there is a file.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        failure_log: FailureLog,
        health: Callable[[], Mapping[str, Dependency]],
        key_history: KeyHistory,
    ) -> None:
        self.draining = False
        self.configured: Configured | None = None
        self.reload_by: Callable[[str], Awaitable[bool]] | None = None
        self._settings = settings
        self._exchanges: list[Exchange] = []
        self._metrics = metrics
        self._failure_log = failure_log
        self._health = health
        self._key_history = key_history

    def switch(self, settings: Settings, exchange: Exchange) -> None:
        """From now on these serve; the exchanges before it end what they have begun, until they are `retired`."""
        self._settings = settings
        self._exchanges.append(exchange)

    def retired(self, exchange: Exchange) -> None:
        """This one has ended."""
        self._exchanges.remove(exchange)

    def report(self, pid: int, recorded: int) -> WorkerReport:
        """Everything at once; of the failures those that came after the first `recorded`."""
        log = self._failure_log
        return WorkerReport(
            pid,
            self._readiness(),
            self._metrics.tallies(),
            log.records.recorded,
            log.records.after(recorded),
            self._key_history.uses(),
        )

    async def overview(self) -> Overview:
        process, records = Process(0, os.getpid(), answers=True), self._failure_log.records
        return Overview(self._readiness(), self._metrics.tallies(), [process], records, self._key_history.uses())

    async def invalidate(self, partner: str, caller: str, phone_id: PersonalPhoneId) -> int:
        key = (partner, caller, phone_id)
        forgotten = [exchange.invalidate(key) for exchange in self._exchanges]  # each of them, not the first
        return int(any(forgotten))

    async def invalidate_all(self) -> int:
        return sum([exchange.invalidate_all() for exchange in self._exchanges])

    async def configuration(self) -> ConfigurationInForce | None:
        level = logging.getLevelName(_own_logger.getEffectiveLevel()).lower()
        return ConfigurationInForce(self._settings.digest, level, without_secrets(self._settings))

    async def reload(self) -> int:
        if self.reload_by is None:
            _own_logger.warning("there is nothing to reload: this gateway reads no configuration file")
            return 0
        return int(await self.reload_by("asked to by an operator"))

    async def set_log_level(self, level: LogLevel) -> int:
        return set_own_log_level(level)

    def _readiness(self) -> Readiness:
        health = self._health()
        routes = [self._route(tag, health) for tag in self._settings.routes]
        return Readiness(not self.draining, self.draining, routes, self.configured)

    def _route(self, tag: str, health: Mapping[str, Dependency]) -> RouteReadiness:
        route = self._settings.routes[tag]
        identity = ["personal", route.partner] if route.identity == "required" else []
        urls = self._settings.upstreams[route.upstream].urls
        needed = [*self._key_sets(route.callers), *identity, *(f"{route.upstream} {url}" for url in urls)]
        return RouteReadiness(tag, [worst([health.get(name, Dependency(name, "ok"))]) for name in needed])

    def _key_sets(self, callers: Iterable[str]) -> list[str]:
        return [keys_behind_url(name) for name in callers if self._settings.callers[name].jwks_url is not None]
