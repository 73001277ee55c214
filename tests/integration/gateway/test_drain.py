"""SIGTERM under load: no request fails, readiness says so, and the process ends with 0."""

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest

from tests.integration.gateway.support_client import Got, connected, request
from tests.integration.gateway.support_gateway import Gateway, Town, process_of
from tests.support_plugins import install
from tests.support_waiting import until

CLIENTS = 8


async def test_a_drain_under_load_fails_no_request(town: Town) -> None:
    failures: list[object] = []
    answered = 0
    draining = asyncio.Event()

    async def keep_asking(url: str) -> None:
        nonlocal answered
        data = request(town.token())
        while not draining.is_set():
            async with connected(url) as client:
                closing = False
                while not closing:
                    got: Got = await client.ask(data)
                    answered += 1
                    if got.status != 200:
                        failures.append(got.status)
                    closing = got.head.all("connection") == ["close"]
            draining.set()

    async with process_of(town, town.configure()) as gateway:
        clients = [asyncio.create_task(keep_asking(gateway.url)) for _ in range(CLIENTS)]
        await until(lambda: answered >= 200)
        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*clients)
        assert await gateway.ended() == 0
        assert [line["event"] for line in gateway.lines("stopped")] == ["stopped"]
    assert failures == []


async def until_unready(gateway: Gateway) -> None:
    async def unready() -> bool:
        return (await gateway.operators("/readyz")).status == 503

    await until(unready)


async def test_what_is_in_flight_ends_and_readiness_says_no(town: Town) -> None:
    town.upstream.gate.clear()
    async with process_of(town, town.configure()) as gateway, connected(gateway.url) as client:
        client.send(request(town.token()))
        await until(lambda: bool(town.upstream.seen))
        gateway.process.send_signal(signal.SIGTERM)
        await until_unready(gateway)
        town.upstream.gate.set()
        got = await client.get()
        assert (got.status, got.head.all("connection")) == (200, ["close"])
        assert await gateway.ended() == 0


async def test_health_on_the_public_port_follows_the_drain(town: Town) -> None:
    look = b"GET /healthz HTTP/1.1\r\nhost: talaria\r\n\r\n"
    town.upstream.gate.clear()
    async with process_of(town, town.configure()) as gateway, connected(gateway.url) as client:
        async with connected(gateway.url) as balancer:
            got = await balancer.ask(look)
            assert (got.status, got.body) == (200, b"ok\n")
            client.send(request(town.token()))
            await until(lambda: bool(town.upstream.seen))
            gateway.process.send_signal(signal.SIGTERM)
            await until_unready(gateway)
            got = await balancer.ask(look)
            assert (got.status, got.body, got.head.all("connection")) == (503, b"draining\n", ["close"])
        town.upstream.gate.set()
        assert (await client.get()).status == 200
        assert await gateway.ended() == 0


ADAPTER = """
import asyncio
from talaria.adapters.partners import wind

class Accounts(wind.Accounts):
    async def aclose(self):
        {end}
"""


@pytest.mark.parametrize(
    "end",
    [
        "raise ValueError('what may be secret')",
        "raise asyncio.CancelledError",
        "await asyncio.Event().wait()",
    ],
)
async def test_it_ends_well_whatever_an_adapter_does_at_its_end(
    town: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    install(tmp_path, monkeypatch, "unclosing", ADAPTER.format(end=end))
    config = town.configure({"partners": {"wind": {"adapter": "unclosing"}}})
    async with process_of(town, config, {"PYTHONPATH": str(tmp_path)}) as gateway:
        assert (await gateway.ask()).status == 200
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.ended() == 0
        assert [line["status"] for line in gateway.lines()] == [200]
        assert len(gateway.lines("a resource can't be closed")) == len(gateway.lines("stopped")) == 1
        assert "secret" not in gateway.printed.read_text()


async def test_a_second_signal_ends_it_at_once(town: Town) -> None:
    town.upstream.gate.clear()
    async with process_of(town, town.configure()) as gateway, connected(gateway.url) as client:
        client.send(request(town.token()))
        await until(lambda: bool(town.upstream.seen))
        gateway.process.send_signal(signal.SIGTERM)
        await until(lambda: bool(gateway.lines("draining")))
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.ended() == 1
        town.upstream.gate.set()
        with contextlib.suppress(ConnectionError):
            assert await client.at_end() == b""
