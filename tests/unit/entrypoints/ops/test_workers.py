"""What the operators' process makes of its workers' reports."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from talaria.adapters.auth.key_rotation import KeyUse
from talaria.adapters.telemetry.failure_log import FailureRecord
from talaria.adapters.telemetry.tallies import Tallies
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.ops.admin import WorkerReport
from talaria.entrypoints.ops.answers import ConfigurationInForce
from talaria.entrypoints.ops.readiness import Configured, Dependency, Readiness, RouteReadiness
from talaria.entrypoints.ops.workers import WorkersAdmin
from tests.unit.entrypoints.ops.support_ops import failure_record

ANNA = PersonalPhoneId("ppid-anna")
REQUESTS: tuple[str | int, ...] = ("wind", "GET", 200, "", "")


class Worker:
    """One worker, as far as its control connection shows it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.answers = True
        self.requests = 0
        self.failures: list[FailureRecord] = []
        self.readiness = Readiness(True, False, [], Configured("aaaa", "2026-11-18T12:00:00Z"))
        self.keys = [KeyUse("k", "ES256", True, 1000.0 + pid, 0.0)]
        self.level = "info"
        self.taken = 1
        self.invalidated: list[tuple[str, ...]] = []
        self.kept = True
        self.sent_to: Worker | None = None

    def report(self, pid: int, recorded: int) -> WorkerReport:
        known = recorded if pid == self.pid else 0
        tallies = Tallies({"requests": {REQUESTS: self.requests}}, gauges={"requests_in_flight": {(): 1.0}})
        return WorkerReport(self.pid, self.readiness, tallies, len(self.failures), self.failures[known:], self.keys)

    def invalidate(self, *key: str) -> int:
        self.invalidated.append(key)
        if self.sent_to is not None:  # before it forgot
            self.sent_to.kept, self.sent_to = True, None
        self.kept = False
        return 1

    def invalidate_all(self) -> int:
        return 3

    def set_log_level(self, level: str) -> int:
        self.level = level
        return 1


class Connection:
    """A control connection to workers in memory."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers

    async def request(self, receiver: int, kind: Any, method: str, *arguments: Any) -> Any:
        worker = self.workers[receiver]
        if not worker.answers:
            raise TimeoutError
        await asyncio.sleep(0)
        methods: Mapping[str, Callable[..., Any]] = {
            "report": worker.report,
            "invalidate": worker.invalidate,
            "invalidate_all": worker.invalidate_all,
            "configuration": lambda: ConfigurationInForce("aaaa", worker.level, {}),
            "set_log_level": worker.set_log_level,
            "reload": lambda: worker.taken,
        }
        return msgspec.msgpack.decode(msgspec.msgpack.encode(methods[method](*arguments)), type=kind)

    def notify(self, receiver: int, method: str, *arguments: Any) -> None:
        assert method == "set_log_level"
        self.workers[receiver].set_log_level(*arguments)


@pytest.fixture(autouse=True)
def own_level() -> Iterator[None]:
    """The level of our lines is this process's, too."""
    before = logging.getLogger("talaria").level
    yield
    logging.getLogger("talaria").setLevel(before)


@pytest.fixture
def workers() -> list[Worker]:
    return [Worker(11), Worker(12)]


@pytest.fixture
async def admin(workers: list[Worker]) -> AsyncIterator[WorkersAdmin]:
    admin = WorkersAdmin(len(workers))
    connection: Any = Connection(workers)
    collecting = asyncio.create_task(admin.keep_collecting(connection))
    await asyncio.sleep(0)
    yield admin
    collecting.cancel()


async def counted(admin: WorkersAdmin) -> tuple[int, float]:
    """Requests counted, and in flight."""
    tallies = (await admin.overview()).tallies
    return tallies.counters["requests"].get(REQUESTS, 0), tallies.gauges["requests_in_flight"].get((), 0.0)


async def last_failures(admin: WorkersAdmin, count: int) -> list[FailureRecord]:
    return (await admin.overview()).records.last(count)


async def test_the_workers_are_summed(admin: WorkersAdmin, workers: list[Worker]) -> None:
    workers[0].requests, workers[1].requests = 3, 4
    assert await counted(admin) == (7, 2.0)
    workers[0].requests = 5
    assert await counted(admin) == (9, 2.0)


@pytest.mark.parametrize("told", [True, False])
async def test_a_dead_worker_s_counts_stay_and_its_gauges_go(
    admin: WorkersAdmin, workers: list[Worker], told: bool
) -> None:
    workers[0].requests, workers[1].requests = 3, 4
    await admin.overview()
    workers[0].answers = False
    if told:
        admin.handlers["exited"](0, "died")
        assert await counted(admin) == (7, 1.0)
    workers[0] = Worker(13)
    assert await counted(admin) == (7, 2.0)
    workers[0].requests = 1
    assert await counted(admin) == (8, 2.0)


async def test_a_worker_that_does_not_answer_goes_on_as_it_was(admin: WorkersAdmin, workers: list[Worker]) -> None:
    workers[0].requests, workers[1].requests = 3, 4
    await admin.overview()
    workers[0].answers, workers[1].requests = False, 5
    assert await counted(admin) == (8, 2.0)
    readiness = (await admin.overview()).readiness
    assert (readiness.workers, readiness.answered) == (2, 1)


@pytest.mark.parametrize("answering", [[], [0], [0, 1]])
async def test_no_worker_is_ready_once_all_are_told_to_drain(
    admin: WorkersAdmin, workers: list[Worker], answering: list[int]
) -> None:
    assert (await admin.overview()).readiness.ready
    admin.handlers["draining"]()
    for number, worker in enumerate(workers):
        worker.answers = number in answering
    readiness = (await admin.overview()).readiness
    assert (readiness.ready, readiness.draining, readiness.answered) == (False, True, len(answering))


async def test_restarts_are_counted_by_how(admin: WorkersAdmin) -> None:
    for how in ("died", "hung", "died"):
        admin.handlers["exited"](0, how)
    tallies = (await admin.overview()).tallies
    assert tallies.counters["worker_restarts"] == {("died",): 2, ("hung",): 1}


async def test_failures_of_all_workers_are_listed_by_time_and_survive_their_worker(
    admin: WorkersAdmin, workers: list[Worker]
) -> None:
    workers[0].failures = [replace(failure_record(f"r-{second}"), time=f"12:00:0{second}") for second in (1, 3)]
    workers[1].failures = [replace(failure_record("r-2"), time="12:00:02")]
    assert [record.request_id for record in await last_failures(admin, 10)] == ["r-3", "r-2", "r-1"]
    admin.handlers["exited"](0, "died")
    workers[0] = Worker(13)
    workers[0].failures = [replace(failure_record("r-4"), time="12:00:04")]
    assert [record.request_id for record in await last_failures(admin, 3)] == ["r-4", "r-3", "r-2"]
    records = (await admin.overview()).records
    found = records.find("r-1")
    assert found is not None
    assert found.time == "12:00:01"
    assert records.find("r-9") is None


async def test_no_failure_is_listed_twice_however_many_ask_at_once(admin: WorkersAdmin, workers: list[Worker]) -> None:
    workers[0].failures = [failure_record("r-1")]
    await asyncio.gather(*[admin.overview() for _ in range(3)])
    workers[0].failures.append(failure_record("r-2"))
    assert sorted(record.request_id for record in await last_failures(admin, 10)) == ["r-1", "r-2"]


async def test_it_is_ready_while_any_worker_is(admin: WorkersAdmin, workers: list[Worker]) -> None:
    workers[0].readiness = Readiness(False, True, [])
    assert (await admin.overview()).readiness.ready
    workers[1].readiness = Readiness(False, True, [])
    assert not (await admin.overview()).readiness.ready


async def test_it_is_not_ready_before_any_worker_is() -> None:
    assert (await WorkersAdmin(2).overview()).readiness == Readiness(False, False, [], None, 2, 0)


async def test_a_reload_that_one_worker_refused_is_seen(admin: WorkersAdmin, workers: list[Worker]) -> None:
    refused = Configured("aaaa", "2026-11-18T12:00:00Z", last_reload_ok=False)
    workers[1].readiness = Readiness(True, False, [], refused)
    assert (await admin.overview()).readiness.configuration == refused


async def test_the_worst_state_of_all_workers_is_seen(admin: WorkersAdmin, workers: list[Worker]) -> None:
    bad = Dependency("personal", "open", "2026-11-18T12:00:00Z", "connection refused", 3.5, 1, 1)
    for worker, personal in zip(workers, [Dependency("personal", "ok"), bad], strict=True):
        worker.readiness = Readiness(True, False, [RouteReadiness("wind", [personal])])
    readiness = (await admin.overview()).readiness
    assert readiness.routes == [RouteReadiness("wind", [replace(bad, of_workers=2)])]
    assert (readiness.workers, readiness.answered) == (2, 2)


async def test_an_invalidation_reaches_every_worker(admin: WorkersAdmin, workers: list[Worker]) -> None:
    await admin.invalidate("wind", "app", ANNA)
    assert [set(worker.invalidated) for worker in workers] == [{("wind", "app", "ppid-anna")}] * 2
    assert await admin.invalidate_all() == 3, "a pair is known to each worker, and counts once"


async def test_a_pair_that_is_on_its_way_to_a_worker_is_forgotten_too(
    admin: WorkersAdmin, workers: list[Worker]
) -> None:
    workers[1].sent_to = workers[0]
    assert await admin.invalidate("wind", "app", ANNA) == 1
    assert not any(worker.kept for worker in workers)


async def test_a_worker_that_misses_an_invalidation_is_said(
    admin: WorkersAdmin, workers: list[Worker], caplog: pytest.LogCaptureFixture
) -> None:
    workers[0].answers = False
    assert await admin.invalidate("wind", "app", ANNA) == 1
    assert caplog.messages == ["1 of 2 workers did not answer"]
    assert "ppid" not in caplog.text


async def test_the_log_level_reaches_every_worker_and_those_that_come_later(
    admin: WorkersAdmin, workers: list[Worker]
) -> None:
    assert await admin.set_log_level("debug") == 2
    assert [worker.level for worker in workers] == ["debug", "debug"]
    assert logging.getLogger("talaria").level == logging.DEBUG
    workers[0] = Worker(13)
    await admin.overview()
    assert workers[0].level == "debug"


async def test_a_reload_is_counted_by_the_workers_that_took_it(admin: WorkersAdmin, workers: list[Worker]) -> None:
    assert await admin.reload() == 2
    workers[0].taken = 0
    assert await admin.reload() == 1


async def test_the_configuration_is_the_one_of_a_worker_that_answers(
    admin: WorkersAdmin, workers: list[Worker]
) -> None:
    workers[0].answers = False
    found = await admin.configuration()
    assert found is not None
    assert found.hash == "aaaa"
    workers[1].answers = False
    assert await admin.configuration() is None


async def test_the_times_of_a_key_are_the_latest_of_all_workers(admin: WorkersAdmin) -> None:
    assert [key.published_at for key in (await admin.overview()).signing_keys] == [1012.0]
