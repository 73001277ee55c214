"""Every simulated service can be told to misbehave while it runs, and logs the clients that left."""

import asyncio

import httpx
import pytest

from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import Sandbox

JWKS = "/.well-known/jwks.json"


async def test_so_many_failures_with_retry_after(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.issuer.faults = Faults(next_failures=2, status=429, retry_after="3")
    answers = [await client.get(sandbox.issuer.url + JWKS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["3", "3", None]
    assert sandbox.issuer.requests.count == 3


async def test_a_body_that_breaks_the_contract(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.issuer.faults = Faults(error_rate=1, status=200, body="[]")
    assert (await client.get(sandbox.issuer.url + JWKS)).text == "[]"


async def test_a_reset(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.issuer.faults = Faults(error_rate=1, reset=True)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await client.get(sandbox.issuer.url + JWKS)


async def test_bytes_that_are_not_http(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.issuer.faults = Faults(error_rate=1, raw="what?\r\n\r\n")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(sandbox.issuer.url + JWKS)


async def test_a_client_that_leaves_is_noticed(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.talaria_services.checks = False
    sandbox.talaria_services.faults = Faults(latency=60)
    with pytest.raises(httpx.ReadTimeout):
        await client.get(f"{sandbox.talaria_services.url}/echo", timeout=httpx.Timeout(5, read=0.05))
    received = sandbox.talaria_services.requests.last
    await asyncio.wait_for(received.ended.wait(), 1)
    assert received.left
    assert not received.answered


async def test_faults_are_set_over_http_too(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    url = f"{sandbox.wind.url}/_sandbox/faults"
    assert (await client.put(url, json={"error_rate": 0.5, "status": 500})).status_code == 200
    assert sandbox.wind.faults == Faults(error_rate=0.5, status=500)
    assert (await client.get(url)).json()["error_rate"] == 0.5
    for wrong, named in (({"eror_rate": 0.5}, "eror_rate"), ({"status": "500"}, "status"), ([], "object")):
        answer = await client.put(url, json=wrong)
        assert (answer.status_code, named in answer.json()["message"]) == (400, True)
    assert sandbox.wind.faults == Faults(error_rate=0.5, status=500)
    assert sandbox.wind.requests.count == 0


async def test_stopping_does_not_wait_for_requests_under_way(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.talaria_services.checks = False
    async with client.stream("GET", f"{sandbox.talaria_services.url}/v1/rides/r/events?count=1000") as answer:
        assert answer.status_code == 200
        await asyncio.wait_for(sandbox.talaria_services.stop(), 1)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await answer.aread()
