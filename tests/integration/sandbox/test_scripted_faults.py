"""Every simulated service can be told to misbehave while it runs, and remembers who left it."""

import asyncio

import httpx
import pytest

from talaria.sandbox.faults import Faults
from talaria.sandbox.world import World

JWKS = "/.well-known/jwks.json"


async def test_so_many_failures_with_retry_after(world: World, client: httpx.AsyncClient) -> None:
    world.issuer.faults = Faults(next_failures=2, status=429, retry_after="3")
    answers = [await client.get(world.issuer.url + JWKS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["3", "3", None]
    assert world.issuer.requests.count == 3


async def test_a_body_that_breaks_the_contract(world: World, client: httpx.AsyncClient) -> None:
    world.issuer.faults = Faults(error_rate=1, status=200, body="[]")
    assert (await client.get(world.issuer.url + JWKS)).text == "[]"


async def test_a_reset(world: World, client: httpx.AsyncClient) -> None:
    world.issuer.faults = Faults(error_rate=1, reset=True)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await client.get(world.issuer.url + JWKS)


async def test_bytes_that_are_not_http(world: World, client: httpx.AsyncClient) -> None:
    world.issuer.faults = Faults(error_rate=1, raw="what?\r\n\r\n")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(world.issuer.url + JWKS)


async def test_a_client_that_leaves_is_noticed(world: World, client: httpx.AsyncClient) -> None:
    world.services.checks = False
    world.services.faults = Faults(latency=60)
    with pytest.raises(httpx.ReadTimeout):
        await client.get(f"{world.services.url}/echo", timeout=httpx.Timeout(5, read=0.05))
    received = world.services.requests.last
    await asyncio.wait_for(received.ended.wait(), 1)
    assert received.left
    assert not received.answered


async def test_faults_are_set_over_http_too(world: World, client: httpx.AsyncClient) -> None:
    url = f"{world.wind.url}/_sandbox/faults"
    assert (await client.put(url, json={"error_rate": 0.5, "status": 500})).status_code == 200
    assert world.wind.faults == Faults(error_rate=0.5, status=500)
    assert (await client.get(url)).json()["error_rate"] == 0.5
    assert (await client.put(url, json={"eror_rate": 0.5})).status_code == 400
    assert world.wind.requests.count == 0


async def test_stopping_does_not_wait_for_whoever_is_served(world: World, client: httpx.AsyncClient) -> None:
    world.services.checks = False
    async with client.stream("GET", f"{world.services.url}/v1/rides/r/events?count=1000") as answer:
        assert answer.status_code == 200
        await asyncio.wait_for(world.services.stop(), 1)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await answer.aread()
