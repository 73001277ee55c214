"""A client that leaves takes its request with it: 499 in the access line, never a 5xx, and the upstream hears of it."""

import asyncio

from tests.integration.gateway.support_client import request
from tests.integration.gateway.support_gateway import Gateway, Town
from tests.integration.gateway.support_raw import Head, Line


async def _gone(gateway: Gateway) -> None:
    line = await gateway.line(lambda line: line["status"] != 200)
    assert (line["status"], line["reason"], line["origin"]) == (499, "client-gone", "client")


async def test_during_the_exchange(town: Town, gateway: Gateway) -> None:
    asked = asyncio.Event()

    async def hold(_: Head, line: Line) -> None:
        asked.set()
        await line.reader.read(-1)

    town.personal.faults = [hold]
    async with gateway.connected() as client:
        client.send(request(town.token()))
        await asyncio.wait_for(asked.wait(), 5)
    await _gone(gateway)
    assert town.upstream.calls == 0


async def test_waiting_for_the_head_closes_the_upstreams_connection(town: Town, gateway: Gateway) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def hold(_: Head, line: Line) -> None:
        asked.set()
        await line.reader.read(-1)
        left.set()

    town.upstream.faults = [hold]
    async with gateway.connected() as client:
        client.send(request(town.token()))
        await asyncio.wait_for(asked.wait(), 5)
    await asyncio.wait_for(left.wait(), 5)
    await _gone(gateway)


async def test_inside_an_upload_closes_the_upstreams_connection(town: Town, gateway: Gateway) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def hold(_: Head, line: Line) -> None:
        asked.set()
        await line.reader.read(-1)
        left.set()

    town.upstream.faults = [hold]
    async with gateway.connected() as client:
        client.send(request(town.token(), "/upload", "content-length: 1000000", method="POST") + b"x" * 100)
        await asyncio.wait_for(asked.wait(), 5)
    await asyncio.wait_for(left.wait(), 5)
    await _gone(gateway)


async def test_inside_the_answer_closes_the_upstreams_connection(town: Town, gateway: Gateway) -> None:
    left = asyncio.Event()

    async def half(_: Head, line: Line) -> None:
        line.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")
        await line.reader.read(-1)
        left.set()

    town.upstream.faults = [half]
    async with gateway.connected() as client:
        client.send(request(town.token()))
        assert (await client.head()).status == 200
    await asyncio.wait_for(left.wait(), 5)
    await _gone(gateway)
