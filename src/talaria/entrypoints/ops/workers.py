"""The gateway of several workers, as operators see it: each worker reports, and their process adds up.

Reports come twice a second and whenever operators ask. So little is lost with a worker that dies: what it counted
goes on in the sums, and its failure records stay.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any

from talaria.adapters.auth import key_rotation
from talaria.adapters.telemetry.failure_log import FailureRecords
from talaria.adapters.telemetry.metrics import process_gauges
from talaria.adapters.telemetry.process_gauges import ProcessGauges
from talaria.adapters.telemetry.tallies import Labels, Tallies, summed
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.ops.admin import (
    LocalAdmin,
    Overview,
    Process,
    WorkerReport,
    set_own_log_level,
)
from talaria.entrypoints.ops.answers import ConfigurationInForce, LogLevel
from talaria.entrypoints.ops.control import ControlConnection, Handler
from talaria.entrypoints.ops.readiness import merged

logger = logging.getLogger("talaria.control")

REPORT_SECONDS = 0.5
OPERATORS = "operators"
"""This process's name among the workers."""
_REPLY_SECONDS = 0.5
_INVALIDATION_SECONDS = 2.0
_RELOAD_SECONDS = 10.0


class ControlServer:
    """A worker's side: `handlers` answer the operators' process from its LocalAdmin."""

    def __init__(self, admin: LocalAdmin) -> None:
        self._admin = admin
        self.handlers: Mapping[str, Handler] = {
            "report": self._report,
            "invalidate": self._invalidate,
            "invalidate_all": admin.invalidate_all,
            "configuration": admin.configuration,
            "set_log_level": set_own_log_level,
            "reload": admin.reload,
        }

    def _report(self, pid: int, recorded: int) -> WorkerReport:
        own = os.getpid()
        return self._admin.report(own, recorded if pid == own else 0)

    async def _invalidate(self, partner: str, caller: str, phone_id: str) -> int:
        return await self._admin.invalidate(partner, caller, PersonalPhoneId(phone_id))


class WorkersAdmin:
    """The GatewayAdmin of `count` workers, once it is connected. `handlers`: for what the supervisor tells it."""

    def __init__(self, count: int) -> None:
        self.handlers: Mapping[str, Handler] = {"exited": self._exited, "draining": self._drain}
        self._connection: ControlConnection | None = None
        self._count = count
        self._draining = False
        self._reports: dict[int, WorkerReport] = {}
        self._ended = Tallies()
        self._restarts: dict[Labels, int] = {}
        self._failures = FailureRecords()
        self._process = ProcessGauges()
        self._log_level: LogLevel | None = None

    async def keep_collecting(self, connection: ControlConnection) -> None:
        """Collect reports over this connection, for ever."""
        self._connection = connection
        while True:
            await self._collect()
            await asyncio.sleep(REPORT_SECONDS)

    async def overview(self) -> Overview:
        answered = await self._collect()
        reports = self._reports.values()
        processes = [
            Process(number, self._reports[number].pid if number in self._reports else 0, answers)
            for number, answers in enumerate(answered)
        ]
        said = [report.readiness for report in reports]
        readiness = merged(said, self._count, sum(answered), draining=self._draining)
        keys = key_rotation.merge(report.signing_keys for report in reports)
        return Overview(readiness, self._summed(), processes, self._failures, keys)

    async def invalidate(self, partner: str, caller: str, phone_id: PersonalPhoneId) -> int:
        return await self._invalidated("invalidate", partner, caller, phone_id.reveal())

    async def invalidate_all(self) -> int:
        return await self._invalidated("invalidate_all")

    async def configuration(self) -> ConfigurationInForce | None:
        answers = await self._ask_all(_REPLY_SECONDS, ConfigurationInForce, "configuration")
        return answers[0] if answers else None

    async def reload(self) -> int:
        return sum(await self._ask_all(_RELOAD_SECONDS, int, "reload"))

    async def set_log_level(self, level: LogLevel) -> int:
        self._log_level = level
        set_own_log_level(level)  # of this process, which is none of the workers
        return len(await self._ask_all(_REPLY_SECONDS, int, "set_log_level", level))

    def _summed(self) -> Tallies:
        own = Tallies({"worker_restarts": self._restarts}, gauges=process_gauges(OPERATORS, self._process))
        return summed([self._ended, own, *(report.tallies for report in self._reports.values())])

    async def _collect(self) -> list[bool]:
        """A report of each worker; which of them answered. What one said last holds until its end."""
        return await asyncio.gather(*map(self._collect_from, range(self._count)))

    async def _collect_from(self, number: int) -> bool:
        before = self._reports.get(number)
        known = (before.pid, before.recorded) if before is not None else (0, 0)
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                report = await self._request(number, WorkerReport, "report", *known)
        except TimeoutError:
            return False
        now = self._reports.get(number)
        if now is not None and now.pid != report.pid:
            self._end(number)
            now = None
        if now is None and self._log_level is not None and self._connection is not None:
            self._connection.notify(number, "set_log_level", self._log_level)
        fresh = report.recorded - (now.recorded if now is not None else 0)  # another collection may have been quicker
        self._reports[number] = report
        for record in report.failures[-fresh:] if fresh > 0 else ():
            self._failures.add(record)
        return True

    def _exited(self, number: int, how: str) -> None:
        self._restarts[how,] = self._restarts.get((how,), 0) + 1
        self._end(number)

    def _end(self, number: int) -> None:
        """What it counted stays in the sums; its gauges go."""
        if (report := self._reports.pop(number, None)) is not None:
            self._ended = summed([self._ended, Tallies(report.tallies.counters, report.tallies.durations)])

    def _drain(self) -> None:
        self._draining = True

    async def _invalidated(self, method: str, *arguments: Any) -> int:
        """Twice: a worker may take a pair that a sibling had sent before it forgot. What was sent so is there by the
        second time.
        """
        forgotten = await self._ask_all(_INVALIDATION_SECONDS, int, method, *arguments)
        await self._answered(_INVALIDATION_SECONDS, int, method, *arguments)
        return max(forgotten, default=0)

    async def _ask_all(self, seconds: float, kind: Any, method: str, *arguments: Any) -> list[Any]:
        """What each worker answers within this time; that some do not is logged."""
        answered = await self._answered(seconds, kind, method, *arguments)
        if missing := self._count - len(answered):
            logger.warning("%d of %d workers did not answer", missing, self._count, extra={"order": method})
        return answered

    async def _answered(self, seconds: float, kind: Any, method: str, *arguments: Any) -> list[Any]:
        async def ask(number: int) -> Any:
            async with asyncio.timeout(seconds):
                return await self._request(number, kind, method, *arguments)

        answers = await asyncio.gather(*map(ask, range(self._count)), return_exceptions=True)
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    async def _request(self, number: int, kind: Any, method: str, *arguments: Any) -> Any:
        if self._connection is None:
            raise TimeoutError
        return await self._connection.request(number, kind, method, *arguments)
