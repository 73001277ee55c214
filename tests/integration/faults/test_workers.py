"""Two workers on one port: one dies and is replaced, all are counted, all are told, all drain."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from talaria.sandbox import fixtures
from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.faults.support_kept import KeptClient, Tally
from tests.integration.faults.support_processes import STARTING, Served, serving
from tests.integration.support_command import talaria
from tests.support_waiting import PATIENT, until

CLIENTS = 24
PASSED_ON = 'talaria_requests_total{caller="app",method="GET",origin="upstream",reason="",status="200",tag="wind"'


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(gateway=False, config=PATIENT) as running:
        yield running


@pytest.fixture
async def served(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(sandbox, tmp_path / "log", workers="2") as running:
        yield running


@contextmanager
def crowd(sandbox: Sandbox) -> Iterator[list[KeptClient]]:
    """So many clients of one person that each worker certainly gets some."""
    clients = [KeptClient(sandbox.public_url, sandbox.headers()) for _ in range(CLIENTS)]
    yield clients
    for client in clients:
        client.close()


async def ask_all(clients: list[KeptClient]) -> Tally:
    """One request of each, at once."""
    tally = Tally()
    await asyncio.gather(*(client.ask(tally) for client in clients))
    return tally


async def metric(served: Served, start: str) -> float:
    """The sum of the samples that start so."""
    async with httpx.AsyncClient(trust_env=False) as client:
        lines = (await client.get(f"{served.ops_url}/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


async def kill(served: Served, victim: int) -> None:
    """Kill one of the children, and wait until another has its place."""
    os.kill(victim, signal.SIGKILL)
    await until(lambda: len({victim, *served.children()}) == 4)


async def test_each_line_names_its_worker_and_the_times_of_the_exchange(sandbox: Sandbox, served: Served) -> None:
    with crowd(sandbox) as clients:
        await ask_all(clients)
    assert await served.stop() == 0
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    requests = [line for line in lines if line["event"] == "request" and line["tag"]]
    assert {line["worker"] for line in requests} == {0, 1}
    exchanged = [line for line in requests if line["exchange"] == "miss"]
    assert exchanged
    assert all(line["personal_ms"] > 0 and line["partner_ms"] > 0 for line in exchanged)


async def test_every_worker_reloads_by_one_command(sandbox: Sandbox, served: Served) -> None:
    config = sandbox.folder.config_path
    assert (await talaria("reload", "--ops", served.ops_url)).startswith("Reloaded, hash ")
    config.write_text(config.read_text() + "\n[nothing]\n")
    async with httpx.AsyncClient(trust_env=False) as client:
        told = (await client.put(f"{served.ops_url}/reload")).json()
    assert (told["reloaded"], told["workers"]) == (0, 2)


async def test_every_worker_takes_a_log_level_and_what_is_in_force_is_told(sandbox: Sandbox, served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.ops_url, trust_env=False) as client:
        changed = await client.put("/log-level", json={"level": "warning"})
        told = (await client.get("/config")).json()
    assert (changed.status_code, changed.json()) == (200, {"level": "warning", "workers": 2})
    assert told["log_level"] == "warning"
    assert told["settings"]["server"]["workers"] == 2
    assert told["settings"]["personal"]["token"] == "***"
    assert await served.stop() == 0
    assert '"stopped"' not in served.log.read_text()  # the line of a worker that ends, at info


async def test_a_killed_worker_takes_only_its_own_requests_and_is_replaced(sandbox: Sandbox, served: Served) -> None:
    over, tally = asyncio.Event(), Tally()
    with crowd(sandbox) as clients, crowd(sandbox) as newcomers:
        await ask_all(clients)  # talaria-services fetches the gateway's keys, from either of its workers
        load = asyncio.gather(*(client.keep_asking(tally, 0.01, over) for client in clients))
        await served.past_the_first_second()
        victim, other, operators = served.children()
        os.kill(victim, signal.SIGKILL)
        async with asyncio.timeout(STARTING):
            after = await ask_all(newcomers)  # those of the dead worker's share wait for its successor
        assert (after.statuses, after.refused, after.lost) == ([200] * CLIENTS, [], [])
        over.set()
        await load
    assert (set(tally.statuses), tally.refused) == ({200}, []), served.log.read_text()
    assert len(tally.lost) <= CLIENTS  # at most one for each connection
    assert len({victim, *served.children()}) == 4
    assert {other, operators} < set(served.children())
    assert f"worker 0 (pid {victim}) died and is replaced" in served.log.read_text()
    assert await served.stop() == 0


async def test_metrics_are_summed_and_survive_a_worker(sandbox: Sandbox, served: Served) -> None:
    with crowd(sandbox) as clients:
        for _ in range(3):
            assert (await ask_all(clients)).lost == []
    assert await metric(served, PASSED_ON) == 3 * CLIENTS
    victim = served.children()[0]
    await kill(served, victim)
    assert await metric(served, PASSED_ON) == 3 * CLIENTS
    assert await metric(served, 'talaria_worker_restarts_total{how="died"}') == 1


@pytest.mark.parametrize("folder", ["/nowhere", "x" * 200, "a [b] c"])
async def test_workers_need_no_folder(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Not even one that is missing, full or swept: nothing is written to it."""
    temporary = tmp_path / folder
    if folder != "/nowhere":
        temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nonexistent")
    async with serving(sandbox, tmp_path / "log", workers="2") as served:
        with crowd(sandbox) as clients:
            assert (await ask_all(clients)).statuses == [200] * CLIENTS
        assert await metric(served, PASSED_ON) == CLIENTS
        os.kill(served.children()[0], signal.SIGKILL)
        await served.ready()
        if folder != "/nowhere":
            assert list(temporary.iterdir()) == []
        assert await served.stop() == 0


async def test_a_worker_that_begins_knows_what_its_sibling_knows(sandbox: Sandbox, served: Served) -> None:
    """Pairs and callers' keys, while neither the issuer nor the exchange can be asked."""
    with crowd(sandbox) as clients, crowd(sandbox) as newcomers:
        await served.past_the_first_second()
        assert (await ask_all(clients)).statuses == [200] * CLIENTS
        await sandbox.issuer.stop()
        sandbox.personal.faults = Faults(latency=60)
        for _ in range(2):
            await kill(served, served.children()[0])
            await known_to_all(served)
            assert (await ask_all(newcomers)).statuses == [200] * CLIENTS
            for client in newcomers:
                client.close()
            await served.past_the_first_second()


async def test_the_worst_state_of_all_workers_is_shown(sandbox: Sandbox, served: Served) -> None:
    sandbox.personal.faults = Faults(error_rate=1)
    client, tally = KeptClient(sandbox.public_url, sandbox.headers()), Tally()
    for _ in range(11):  # on one connection, so of one worker
        await client.ask(tally)
    client.close()
    assert tally.statuses == [503] * 11
    async with httpx.AsyncClient(trust_env=False) as operator:
        readiness = (await operator.get(f"{served.ops_url}/readyz")).json()
        page = (await operator.get(f"{served.ops_url}/")).text
        failures = (await operator.get(f"{served.ops_url}/5xx?last=1000")).json()["entries"]
    personal = next(one for one in readiness["routes"][0]["dependencies"] if one["name"] == "personal")
    assert (personal["state"], personal["affected_workers"], personal["of_workers"]) == ("open", 1, 2)
    assert (personal["cause"], personal["retry_in_seconds"] > 0) == ("status 503", True)
    assert (readiness["ready"], readiness["workers"], readiness["answered"]) == (True, 2, 2)
    assert f"open in 1 of 2 workers since {personal['since']}: status 503; asked again in" in page
    assert [one["reason"] for one in failures] == ["personal-overloaded"] * 5
    assert await metric(served, 'talaria_5xx_total{origin="personal",reason="circuit-open",tag="wind"}') == 6
    assert await metric(served, 'talaria_dependency_state{dependency="personal"}') == 2
    log = served.log.read_text()
    assert log.count('"a circuit breaker is open"') == 1
    assert re.search(r"failing for \d+ s, last: status 503", log)


async def test_no_failure_is_forgotten_with_a_worker_or_with_the_operators_process(
    sandbox: Sandbox, served: Served
) -> None:
    sandbox.talaria_services.faults = Faults(error_rate=1)
    await served.past_the_first_second()
    with crowd(sandbox) as clients:
        assert set((await ask_all(clients)).statuses) == {503}

    async def remembered() -> int:
        async with httpx.AsyncClient(trust_env=False) as operator:
            return len((await operator.get(f"{served.ops_url}/5xx?last=1000")).json()["entries"])

    assert await remembered() == CLIENTS
    first, second, operators = served.children()
    await kill(served, operators)
    await served.ready()
    assert await remembered() == CLIENTS
    for victim in (first, second):
        await kill(served, victim)
        assert await remembered() == CLIENTS


async def test_wrong_credentials_show_as_failing_before_the_circuit_opens(sandbox: Sandbox, served: Served) -> None:
    sandbox.wind.api_key = "another"
    client, tally = KeptClient(sandbox.public_url, sandbox.headers()), Tally()
    await client.ask(tally)
    client.close()
    async with httpx.AsyncClient(trust_env=False) as operator:
        readiness = (await operator.get(f"{served.ops_url}/readyz")).json()
    wind = next(one for one in readiness["routes"][0]["dependencies"] if one["name"] == "wind")
    assert (wind["state"], wind["cause"]) == ("failing", "our credentials were refused")


async def test_a_worker_that_hangs_is_killed_and_replaced(sandbox: Sandbox, served: Served) -> None:
    with crowd(sandbox) as clients:
        await ask_all(clients)  # also talaria-services has the gateway's key set then
    victim = served.children()[0]
    os.kill(victim, signal.SIGSTOP)
    async with asyncio.timeout(5), httpx.AsyncClient(trust_env=False) as operator:
        while "<h1>serving, 1 of 2 workers silent</h1>" not in (await operator.get(served.ops_url)).text:
            await asyncio.sleep(0.05)  # the page is made anew twice a second
    with crowd(sandbox) as clients:
        async with asyncio.timeout(30):  # those that met it wait for the worker that replaces it
            assert (await ask_all(clients)).statuses == [200] * CLIENTS
    assert f"worker 0 (pid {victim}) hangs and is killed" in served.log.read_text()
    assert await metric(served, 'talaria_worker_restarts_total{how="hung"}') == 1


async def test_a_drain_ends_in_time_whatever_a_worker_does(sandbox: Sandbox, served: Served) -> None:
    """`drain_timeout` is two seconds here; a second later everything has ended."""
    victim = served.children()[0]
    os.kill(victim, signal.SIGSTOP)
    async with asyncio.timeout(8):
        assert await served.stop() == 1
    assert f"worker 0 (pid {victim}) did not end in time and is killed" in served.log.read_text()
    assert not Path(f"/proc/{victim}").exists()


async def test_a_worker_that_can_not_begin_with_what_is_on_disk_says_so(sandbox: Sandbox, served: Served) -> None:
    assert await metric(served, "talaria_config_last_reload_success ") == 1
    sandbox.config_path.write_text("[server\n")
    victim = served.children()[1]
    os.kill(victim, signal.SIGKILL)
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(15):
        while (await client.get(f"{served.ops_url}/readyz")).json()["configuration"]["last_reload_ok"]:
            await asyncio.sleep(0.02)
        while await metric(served, "talaria_config_last_reload_success ") != 0:
            await asyncio.sleep(0.02)
    assert "a worker begins with the configuration of the start" in served.log.read_text()


async def test_invalidation_reaches_every_worker(sandbox: Sandbox, served: Served) -> None:
    with crowd(sandbox) as clients:
        await clients[0].ask(Tally())
        await known_to_all(served)
        await ask_all(clients)
        assert sandbox.wind.requests.count == 1
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.delete(f"{served.ops_url}/identities/wind/app/{fixtures.ANNA}")
        assert answer.json() == {"removed": 1}
        await ask_all(clients)
        assert sandbox.wind.requests.count in (2, 3)  # both workers may ask before either knows


async def known_to_all(served: Served) -> None:
    """Wait until each of two workers keeps a pair."""
    async with asyncio.timeout(15):
        while await metric(served, "talaria_identity_cache_entries ") != 2:
            await asyncio.sleep(0.02)


async def test_a_person_known_in_one_worker_is_known_in_all(sandbox: Sandbox, served: Served) -> None:
    """While the partner hangs, no request of a known person notices, whichever worker it meets."""
    with crowd(sandbox) as clients:
        assert (await ask_all(clients[:1])).statuses == [200]
        await known_to_all(served)
        sandbox.wind.faults = Faults(latency=60)
        assert (await ask_all(clients)).statuses == [200] * CLIENTS


def _tell_the_supervisor(served: Served) -> None:
    served.process.send_signal(signal.SIGTERM)


def _tell_all(served: Served) -> None:
    """As systemd does: its KillMode is control-group where nothing else is said."""
    for pid in [served.process.pid, *served.children()]:
        os.kill(pid, signal.SIGTERM)


def _tell_all_the_supervisor_last(served: Served) -> None:
    for pid in [*served.children(), served.process.pid]:
        os.kill(pid, signal.SIGTERM)


async def test_without_its_supervisor_each_process_drains(served: Served) -> None:
    children = served.children()
    os.kill(served.process.pid, signal.SIGKILL)
    await served.process.wait()
    await until(lambda: not any(map(_runs, children)))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


async def test_readiness_fails_from_the_first_moment_of_a_drain(sandbox: Sandbox, served: Served) -> None:
    """One worker has a request under way, the other has none and ends at once."""
    sandbox.talaria_services.faults = Faults(latency=60)
    client, said = KeptClient(sandbox.public_url, sandbox.headers()), []
    under_way = asyncio.create_task(client.ask(Tally()))
    await sandbox.talaria_services.requests.wait_for(1)
    served.process.send_signal(signal.SIGTERM)
    await until(lambda: '"draining"' in served.log.read_text())
    async with httpx.AsyncClient(trust_env=False) as operator:
        with suppress(httpx.TransportError):
            while True:
                said.append((await operator.get(f"{served.ops_url}/readyz")).status_code)
    assert set(said) == {503}
    await asyncio.wait([under_way])
    client.close()


TELLING = [_tell_the_supervisor, _tell_all, _tell_all_the_supervisor_last]


@pytest.mark.parametrize("tell", TELLING)
async def test_all_workers_drain(sandbox: Sandbox, served: Served, tell: Callable[[Served], None]) -> None:
    with crowd(sandbox) as clients:
        await ask_all(clients)
        sandbox.talaria_services.faults = Faults(latency=0.5)
        under_way = asyncio.create_task(ask_all(clients))
        await sandbox.talaria_services.requests.wait_for(2 * CLIENTS)
        tell(served)
        assert await served.process.wait() == 0
        tally = await under_way
    assert (tally.statuses, tally.lost) == ([200] * CLIENTS, [])
