"""What stands behind the operators' listener: this process alone, or all workers by their control sockets."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from talaria.adapters.auth import key_rotation as key_history
from talaria.adapters.auth.jwks import keys_behind_url
from talaria.adapters.auth.key_rotation import KeyHistory, KeyUse
from talaria.adapters.telemetry import metrics
from talaria.adapters.telemetry.failure_log import Entry, Ledger, merge
from talaria.adapters.telemetry.metrics import Metrics
from talaria.domain.exchange import Exchange
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.config import Settings
from talaria.entrypoints.ops.app import Fleet
from talaria.entrypoints.ops.readiness import Configured, Dependency, Readiness, RouteReadiness

logger = logging.getLogger("talaria.fleet")

_ANSWER_SECONDS = 2.0
_LINE_LIMIT = 16 * 1024 * 1024


class OneProcess:
    """The Fleet of this process. `draining` is set when it shuts down. `states`: by dependency."""

    def __init__(
        self,
        settings: Settings,
        exchange: Exchange,
        metrics: Metrics,
        ledger: Ledger,
        states: Callable[[], Mapping[str, str]],
        key_history: KeyHistory,
    ) -> None:
        self.draining = False
        self.configured: Configured | None = None
        self._settings = settings
        self._exchange = exchange
        self._leaving: list[Exchange] = []
        self._metrics = metrics
        self._ledger = ledger
        self._states = states
        self._key_history = key_history

    def renew(self, settings: Settings, exchange: Exchange) -> None:
        """From now on these serve; the exchange before them ends what it has begun, until it has `left`."""
        self._leaving.append(self._exchange)
        self._settings, self._exchange = settings, exchange

    def left(self, exchange: Exchange) -> None:
        """This one has ended."""
        self._leaving.remove(exchange)

    async def ready(self) -> Readiness:
        """May clients come, and what does each route depend on?"""
        states = self._states()
        routes = [self._route(tag, states) for tag in self._settings.routes]
        return Readiness(not self.draining, self.draining, routes, self.configured)

    def _route(self, tag: str, states: Mapping[str, str]) -> RouteReadiness:
        route = self._settings.routes[tag]
        who = ["personal", route.partner] if route.identity == "required" else []
        needed = [
            *self._key_sets(route.callers),
            *who,
            *(f"{route.upstream} {url}" for url in self._urls(route.upstream)),
        ]
        return RouteReadiness(tag, [Dependency(name, _worded(states.get(name, "closed"))) for name in needed])

    def _key_sets(self, callers: Iterable[str]) -> list[str]:
        return [keys_behind_url(name) for name in callers if self._settings.callers[name].jwks_url is not None]

    def _urls(self, upstream: str) -> tuple[str, ...]:
        return self._settings.upstreams[upstream].urls

    async def metrics(self) -> bytes:
        """Everything that was counted."""
        return self._metrics.render()

    async def invalidate(self, partner: str, caller: str, phone_id: PersonalPhoneId) -> int:
        """Forget one exchanged pair."""
        key = (partner, caller, phone_id)
        forgotten = [exchange.invalidate(key) for exchange in self._exchanges()]  # each of them, not the first
        return int(any(forgotten))

    async def invalidate_all(self) -> int:
        """Forget every exchanged pair."""
        return sum([exchange.invalidate_all() for exchange in self._exchanges()])

    def _exchanges(self) -> list[Exchange]:
        return [self._exchange, *self._leaving]

    async def ledger_find(self, request_id: str) -> Entry | None:
        """The newest entry of this request id."""
        return self._ledger.find(request_id)

    async def ledger_last(self, count: int) -> list[Entry]:
        """The newest entries, newest first."""
        return self._ledger.last(count)

    async def keys(self) -> list[KeyUse]:
        """The signing keys in force."""
        return self._key_history.uses()


def _worded(state: str) -> str:
    return "ok" if state == "closed" else state


class Order(msgspec.Struct, frozen=True):
    """What the operators' process asks a worker: a method of Fleet and its arguments."""

    what: str
    arguments: list[Any] = []


class Control:
    """A worker's end of its control socket: one order a line, one answer a line."""

    def __init__(self, fleet: Fleet) -> None:
        self._orders: Mapping[str, Callable[..., Any]] = {
            "ready": fleet.ready,
            "invalidate": lambda partner, caller, text: fleet.invalidate(partner, caller, PersonalPhoneId(text)),
            "invalidate_all": fleet.invalidate_all,
            "ledger_find": fleet.ledger_find,
            "ledger_last": fleet.ledger_last,
            "keys": fleet.keys,
        }

    async def listen(self, path: Path) -> asyncio.Server:
        """Take orders from now on. The socket's folder must be ours alone."""
        path.unlink(missing_ok=True)
        return await asyncio.start_unix_server(self._serve, path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):  # who asks does not wait for long
            order = msgspec.json.decode(await reader.readline(), type=Order)
            writer.write(msgspec.json.encode(await self._orders[order.what](*order.arguments)) + b"\n")
            await writer.drain()


class AllWorkers:
    """The Fleet of several workers: asks each of them and adds up. `folder` holds their sockets, and the metrics."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._count = count

    async def ready(self) -> Readiness:
        """Ready while any worker is: another one that just died is being replaced. Who refused a reload is heard."""
        answers: list[Readiness] = await self._ask(Readiness, "ready")
        if not answers:
            return Readiness(False, False, [])
        ready = [answer for answer in answers if answer.ready] or answers
        return min(ready, key=lambda answer: answer.configuration is None or answer.configuration.last_reload_ok)

    async def metrics(self) -> bytes:
        """Everything that was counted, summed over the workers."""
        return metrics.render_sum(str(self._folder))

    async def invalidate(self, partner: str, caller: str, phone_id: PersonalPhoneId) -> int:
        """Forget one exchanged pair in every worker."""
        return sum(await self._ask(int, "invalidate", partner, caller, phone_id.reveal()))

    async def invalidate_all(self) -> int:
        """Forget every exchanged pair in every worker."""
        return sum(await self._ask(int, "invalidate_all"))

    async def ledger_find(self, request_id: str) -> Entry | None:
        """The newest entry of this request id."""
        found = [entry for entry in await self._ask(Entry | None, "ledger_find", request_id) if entry is not None]
        return merge([found], 1)[0] if found else None

    async def ledger_last(self, count: int) -> list[Entry]:
        """The newest entries of all workers, newest first."""
        return merge(await self._ask(list[Entry], "ledger_last", count), count)

    async def keys(self) -> list[KeyUse]:
        """The signing keys in force, as all workers together must see them."""
        return key_history.merge(await self._ask(list[KeyUse], "keys"))

    async def _ask(self, kind: Any, what: str, *arguments: object) -> list[Any]:
        order = msgspec.json.encode(Order(what, list(arguments))) + b"\n"
        answers = await asyncio.gather(
            *(self._ask_one(kind, order, number) for number in range(self._count)), return_exceptions=True
        )
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        if failed:
            logger.warning("%d of %d workers did not answer", len(failed), self._count, extra={"order": what})
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    async def _ask_one(self, kind: Any, order: bytes, number: int) -> Any:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(control_path(self._folder, number), limit=_LINE_LIMIT)
            try:
                writer.write(order)
                return msgspec.json.decode(await reader.readline(), type=kind)
            finally:
                writer.close()


def control_path(folder: Path, number: int) -> Path:
    """Where worker `number` takes orders."""
    return folder / f"worker-{number}.sock"
