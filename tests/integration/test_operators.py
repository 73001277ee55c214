"""The operators' listener on the wire, of one process and of several."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from talaria.entrypoints.config import Address
from talaria.entrypoints.ops.listener import AsgiListener
from talaria.entrypoints.public.server.sockets import bind
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.faults.support_processes import STARTING, end, serve, serving


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(gateway=False) as running:
        yield running


async def test_several_workers_say_where_operators_are_answered(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path / "log", workers="2") as served:
        assert await served.stop() == 0
        lines = [msgspec.json.decode(line, type=dict) for line in served.log.read_bytes().splitlines()]
    assert [line["ops"] for line in lines if "ops" in line] == [served.ops_url]
    assert {line["public"] for line in lines if line.get("event") == "serving"} == {sandbox.public_url}


async def test_lines_are_text_for_people_where_it_is_asked_for(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALARIA__LOGGING__FORMAT", "text")
    async with serving(sandbox, tmp_path / "log") as served:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{sandbox.public_url}/v1", headers=sandbox.headers())
        assert await served.stop() == 0
        lines = served.log.read_text().splitlines()
    (serving_line,) = [line for line in lines if "  INFO     serving logger=talaria worker=0 " in line]
    assert f" public={sandbox.public_url} " in serving_line
    assert any("  INFO     request request_id=" in line for line in lines)


async def test_a_second_instance_on_the_same_addresses_says_that_it_is_one(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path / "first"):
        second = await serve(sandbox, tmp_path / "second", sandbox.ports.ops)
        async with asyncio.timeout(STARTING):  # the first one may have said that it is ready
            while '"serving"' not in second.log.read_text():
                await asyncio.sleep(0.02)
        await end(second)
    assert "another instance serves at these addresses" not in (tmp_path / "first").read_text()
    assert (tmp_path / "second").read_text().count("another instance serves at these addresses") == 1


async def test_answers_to_head_and_the_form_of_metrics_on_the_wire() -> None:
    async with running_sandbox() as sandbox:
        reader, writer = await asyncio.open_connection(*sandbox.ops_url.removeprefix("http://").split(":"))
        head = b""
        for line in (b"HEAD /readyz", b"HEAD /livez", b"GET /metrics"):
            writer.write(line + b" HTTP/1.1\r\nhost: ops\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
    assert head.lower().count(b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n") == 1


async def test_a_key_set_out_of_reach_is_shown_and_does_not_make_unready() -> None:
    nowhere = {"callers": {"app": {"jwks_url": "http://127.0.0.1:1/keys"}}}
    async with running_sandbox(config=nowhere) as sandbox, httpx.AsyncClient(trust_env=False) as client:
        before = (await client.get(f"{sandbox.ops_url}/readyz")).json()
        refused = await client.get(f"{sandbox.public_url}/v1", headers=sandbox.headers())
        after = await client.get(f"{sandbox.ops_url}/readyz")
        (entry,) = (await client.get(f"{sandbox.ops_url}/5xx?last=1")).json()["entries"]
    assert refused.json()["reason"] == "keys-unavailable"
    assert entry["cause"] == "caller-keys:app: connection refused"
    assert before["routes"][0]["dependencies"][0] == {"name": "caller-keys:app", "state": "not asked yet"}
    keys = after.json()["routes"][0]["dependencies"][0]
    assert (keys["name"], keys["state"], keys["cause"]) == ("caller-keys:app", "unavailable", "connection refused")
    assert keys["since"].endswith("Z")
    assert keys["retry_in_seconds"] > 0
    assert (after.status_code, after.json()["ready"]) == (200, True)


async def test_a_listener_that_cannot_start_says_so(tmp_path: Path) -> None:
    with bind(Address("127.0.0.1", 0), "a test") as listening, pytest.raises(FileNotFoundError):
        await AsgiListener(None, ssl_certfile=str(tmp_path / "no-such.pem")).start(listening)
