"""What is on disk comes in force while clients call, and what can't does not."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from talaria.adapters.auth.key_files import write_new_key
from talaria.adapters.http1.resolver import Resolver
from talaria.domain.errors import Unreachable
from talaria.domain.http import UpstreamRequest
from talaria.domain.ports import Upstream
from talaria.entrypoints.config import load
from talaria.entrypoints.config.settings import Settings
from talaria.entrypoints.runtime.reload import Reloader
from talaria.sandbox.faults import Faults
from talaria.sandbox.folder import secret_file
from talaria.sandbox.stack import Sandbox, running_sandbox

WAY = "/v1/scooters/nearby"


class Served:
    """A gateway in its sandbox, and what reloads it."""

    def __init__(self, sandbox: Sandbox, client: httpx.AsyncClient) -> None:
        assert sandbox.running is not None
        self.sandbox, self.client = sandbox, client
        self.running = sandbox.running
        self.reloader = Reloader(sandbox.running, sandbox.config_path, _read, poll_seconds=0.02)

    async def get(self, **headers: str) -> httpx.Response:
        """A request of ppid-anna."""
        return await self.client.get(f"{self.sandbox.public_url}{WAY}", headers=self.sandbox.headers() | headers)

    def change(self, text: str, by: str) -> None:
        """Write the configuration with one text in place of another."""
        before = self.sandbox.config_path.read_text()
        assert text in before
        self.sandbox.config_path.write_text(before.replace(text, by))

    def add(self, text: str) -> None:
        """Write more at the end of the configuration."""
        self.sandbox.config_path.write_text(f"{self.sandbox.config_path.read_text()}\n{text}\n")

    async def reload(self) -> bool:
        """Read everything anew."""
        return await self.reloader.reload("a test")

    async def operators(self, path: str) -> httpx.Response:
        """What the operators' listener says."""
        return await self.client.get(f"{self.sandbox.ops_url}{path}")


def _read(path: Any) -> Settings:
    return load(path, environ={})


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    async with running_sandbox(access_descriptor=nowhere) as sandbox, httpx.AsyncClient(trust_env=False) as client:
        yield Served(sandbox, client)
    os.close(nowhere)


def _kid_of(sandbox: Sandbox, number: int = -1) -> str:
    token = sandbox.talaria_services.requests.all[number].header(b"authorization")[0].removeprefix(b"Bearer ")
    return str(jwt.get_unverified_header(token)["kid"])


async def test_a_new_signing_key_is_published_first_and_signs_later(served: Served) -> None:
    write_new_key(served.sandbox.folder.path / "keys/next.pem")
    old, new = '{ kid = "sandbox", file = "keys/signing.pem" }', '{ kid = "next", file = "keys/next.pem" }'
    served.change(f"[{old}]", f"[{old}, {new}]")
    assert await served.reload()
    key_set = await served.client.get(f"{served.sandbox.public_url}/.well-known/jwks.json")
    assert [key["kid"] for key in key_set.json()["keys"]] == ["sandbox", "next"]
    assert (await served.get()).status_code == 200
    assert _kid_of(served.sandbox) == "sandbox"
    served.change(f"[{old}, {new}]", f"[{new}, {old}]")
    assert await served.reload()
    assert (await served.get()).status_code == 200
    assert _kid_of(served.sandbox) == "next"
    told = (await served.operators("/keys")).json()["keys"]
    assert [(key["kid"], key["signs"]) for key in told] == [("next", True), ("sandbox", False)]
    assert told[1]["good_until"] > told[0]["published_at"]


async def test_a_whole_rotation_costs_no_request(served: Served) -> None:
    """The upstream fetches the key set only for a kid that it does not know, and refuses what it can't verify."""
    write_new_key(served.sandbox.folder.path / "keys/next.pem")
    old, new = '{ kid = "sandbox", file = "keys/signing.pem" }', '{ kid = "next", file = "keys/next.pem" }'
    seen, over = served.sandbox.talaria_services.requests, asyncio.Event()

    async def keep_asking() -> int:
        asked = 0
        while not over.is_set():
            assert (await served.get()).status_code == 200
            asked += 1
        return asked

    signed_by_old = 0
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(keep_asking()) for _ in range(4)]
        for before, after in pairwise([f"[{old}]", f"[{old}, {new}]", f"[{new}, {old}]", f"[{new}]"]):
            await seen.wait_for(len(seen.all) + 20)
            signed_by_old = signed_by_old or (len(seen.all) if after.startswith(f"[{new}") else 0)
            served.change(before, after)
            assert await served.reload()
        await seen.wait_for(len(seen.all) + 20)
        over.set()
    kids = [_kid_of(served.sandbox, number) for number in range(len(seen.all))]
    assert len(kids) == sum(task.result() for task in asking)
    assert set(kids[:signed_by_old]) == {"sandbox"}
    assert set(kids[-20:]) == {"next"}


async def test_a_request_under_way_keeps_what_it_began_with(served: Served) -> None:
    await served.get()
    served.sandbox.talaria_services.faults = Faults(latency=0.3)
    slow = asyncio.create_task(served.get())
    await served.sandbox.talaria_services.requests.wait_for(2)
    served.change('partner = "wind"', 'methods = ["POST"]\npartner = "wind"')
    assert await served.reload()
    assert (await served.get()).status_code == 405
    assert (await slow).status_code == 200


async def test_pairs_are_kept_where_partner_and_caller_are_the_same(served: Served) -> None:
    await served.get()
    served.change("[personal]", "[personal]\nattempts = 2")
    assert await served.reload()
    await served.get()
    assert len(served.sandbox.personal.requests.all) == 1


async def test_pairs_of_another_partner_of_the_same_name_are_forgotten(served: Served) -> None:
    await served.get()
    served.change(served.sandbox.wind.url, f"{served.sandbox.wind.url}/")
    assert await served.reload()
    await served.get()
    assert len(served.sandbox.wind.requests.all) == 1, "the same url, written otherwise"
    served.change(f"{served.sandbox.wind.url}/", served.sandbox.wind.url.replace("127.0.0.1", "localhost"))
    assert await served.reload()
    assert (await served.get()).status_code == 200
    assert len(served.sandbox.wind.requests.all) == 2


STRICTER = {"another claim": 'phone_id_claim = "another"', "a shorter life": 'max_lifetime = "1s"'}


@pytest.mark.parametrize("rule", STRICTER.values(), ids=STRICTER.keys())
async def test_a_token_that_was_verified_falls_with_the_rules_of_its_caller(served: Served, rule: str) -> None:
    token = served.sandbox.headers()["authorization"]
    assert [(await served.get(authorization=token)).status_code for _ in range(2)] == [200, 200]
    served.change("[callers.app]", f"[callers.app]\n{rule}")
    assert await served.reload()
    assert (await served.get(authorization=token)).status_code == 401


async def test_the_keys_of_a_caller_outlast_a_reload_while_its_issuer_is_down(served: Served) -> None:
    await served.get()
    await served.sandbox.issuer.stop()
    served.add('[routes.more]\npartner = "wind"\nupstream = "talaria-services"')
    assert await served.reload()
    answer = await served.client.get(f"{served.sandbox.public_url}{WAY}", headers=served.sandbox.headers(tag="more"))
    assert answer.status_code == 200


async def test_an_invalid_configuration_is_refused_with_all_its_problems(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    good = (await served.operators("/readyz")).json()["configuration"]
    assert (good["last_reload_ok"], good["last_reload"]) == (True, "")
    served.change('upstream = "talaria-services"', 'upstream = "unknown"\nmethods = ["FETCH"]')
    with caplog.at_level("ERROR", "talaria.reloading"):
        assert not await served.reload()
    problems = vars(caplog.records[-1])["problems"]
    assert len(problems) == 2
    assert (await served.get()).status_code == 200
    said = (await served.operators("/readyz")).json()["configuration"]
    assert said == {**good, "last_reload_ok": False, "last_reload": said["last_reload"]}
    assert said["last_reload"] >= good["since"]
    metrics = (await served.operators("/metrics")).text
    assert "talaria_config_last_reload_success 0.0" in metrics
    assert f'talaria_config_hash{{hash="{good["digest"]}"}} 1.0' in metrics


async def test_what_is_repaired_comes_in_force(served: Served) -> None:
    served.change('callers = ["app"]', 'callers = ["apps"]')
    assert not await served.reload()
    served.change('callers = ["apps"]', 'callers = ["app"]\nmethods = ["GET"]')
    assert await served.reload()
    metrics = (await served.operators("/metrics")).text
    assert "talaria_config_last_reload_success 1.0" in metrics
    assert "talaria_config_last_reload_success_timestamp_seconds" in metrics


async def test_addresses_and_workers_can_not_change_and_it_says_so(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    edges = 'decision_listen = "127.0.0.1:0"\ntrusted_edges = ["127.0.0.0/8"]'
    served.change("[server]", f"[server]\nworkers = 3\n{edges}")
    with caplog.at_level("WARNING", "talaria.reloading"):
        assert await served.reload()
    for key in ("workers", "decision_listen"):
        assert f"server.{key} comes in force with the next start only" in caplog.text
    assert served.running.settings.server.workers == 1
    assert served.running.settings.server.decision_listen is None


async def test_a_secret_that_is_swapped_on_disk_is_picked_up(served: Served) -> None:
    keeping_up = asyncio.create_task(served.reloader.watch())
    try:
        path = served.sandbox.folder.path / secret_file("talaria-services-api-key")
        fresh = path.with_suffix(".new")
        fresh.write_text("another-api-key-of-ours\n")
        served.sandbox.talaria_services.api_key = "another-api-key-of-ours"
        fresh.replace(path)
        async with asyncio.timeout(5):
            while (await served.get()).status_code != 200:
                await asyncio.sleep(0.02)
    finally:
        keeping_up.cancel()


async def test_a_secret_that_was_swapped_since_the_start_read_it_is_picked_up(served: Served) -> None:
    (served.sandbox.folder.path / secret_file("talaria-services-api-key")).write_text("another-api-key-of-ours\n")
    served.sandbox.talaria_services.api_key = "another-api-key-of-ours"
    assert (await served.get()).status_code == 401
    late = Reloader(served.running, served.sandbox.config_path, _read, poll_seconds=0.02)
    keeping_up = asyncio.create_task(late.watch())
    try:
        async with asyncio.timeout(5):
            while (await served.get()).status_code != 200:
                await asyncio.sleep(0.02)
    finally:
        keeping_up.cancel()


async def test_a_folder_that_a_link_leads_to_is_swapped_with_the_link(served: Served, tmp_path: Path) -> None:
    """As a release is put in force: its own folder, and then a link moves to it."""
    release, current = tmp_path / "r2", tmp_path / "current"
    shutil.copytree(served.sandbox.folder.path, release)
    (release / secret_file("talaria-services-api-key")).write_text("another-api-key-of-ours\n")
    current.symlink_to(served.sandbox.folder.path)
    reloader = Reloader(served.running, current / served.sandbox.config_path.name, _read, poll_seconds=0.02)
    assert await reloader.reload("served by the link")
    keeping_up = asyncio.create_task(reloader.watch())
    try:
        served.sandbox.talaria_services.api_key = "another-api-key-of-ours"
        moved = tmp_path / "moved"
        moved.symlink_to(release)
        moved.replace(current)
        async with asyncio.timeout(5):
            while (await served.get()).status_code != 200:
                await asyncio.sleep(0.02)
    finally:
        keeping_up.cancel()


async def test_a_signal_asks_for_a_reload(served: Served) -> None:
    keeping_up = asyncio.create_task(served.reloader.watch())
    try:
        served.change('callers = ["app"]', 'callers = ["app"]\nmethods = ["POST"]')
        served.reloader.ask()
        async with asyncio.timeout(5):
            while (await served.get()).status_code != 405:
                await asyncio.sleep(0.02)
    finally:
        keeping_up.cancel()


async def test_connections_that_are_not_needed_any_more_are_closed(served: Served) -> None:
    await served.get()
    before = served.running.container.targets()["talaria-services"].upstream
    served.change("urls = [", 'connect_timeout = "2s"\nurls = [')
    assert await served.reload()
    after = served.running.container.targets()["talaria-services"].upstream
    assert after is not before
    assert (await served.get()).status_code == 200
    async with asyncio.timeout(5):
        while not await _is_closed(before):
            await asyncio.sleep(0.02)


async def _is_closed(upstream: Upstream) -> bool:
    try:
        answer = await upstream.send(UpstreamRequest("GET", b"/", [], None, None, 1.0, 1.0))
    except Unreachable as error:
        return "closed" in error.cause
    await answer.body.aclose()
    return False


async def test_a_name_that_has_another_address_now_is_followed(served: Served) -> None:
    assert (await served.get()).status_code == 200
    services: Any = served.running.container.targets()["talaria-services"].upstream
    pool = services.backends[0].client._pool
    addresses = [(socket.AF_INET, ("127.0.0.1", pool._endpoint.port))]
    resolver = Resolver(lambda host, port: list(addresses))
    pool._endpoint = replace(pool._endpoint, host="services.test", resolver=resolver)
    assert await served.reload()
    await settled(lambda: resolver._newest)
    assert pool.idle == 1, "nothing has moved"
    addresses[0] = (socket.AF_INET, ("127.0.0.2", pool._endpoint.port))
    assert await served.reload()
    await settled(lambda: not pool.idle)
    addresses[0] = (socket.AF_INET, ("127.0.0.1", pool._endpoint.port))
    assert (await served.get()).status_code == 200


async def settled(condition: Callable[[], object]) -> None:
    """Until background work has come so far."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)
