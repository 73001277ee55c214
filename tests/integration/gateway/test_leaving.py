"""A client that leaves takes its request with it: 499 in the access line, never a 5xx, and the upstream hears of it."""

import asyncio
from collections.abc import Callable

import pytest

from tests.integration.gateway.support_client import Client, chunked, request
from tests.integration.gateway.support_gateway import Gateway, Town
from tests.integration.gateway.support_raw import SECONDS, Head, Line


async def _gone(gateway: Gateway) -> None:
    line = await gateway.line(lambda line: line["status"] != 200)
    assert (line["status"], line["reason"], line["origin"]) == (499, "client-gone", "client")


class Hold:
    """A service that says nothing. `asked`: the request has come; `left`: its connection has ended."""

    def __init__(self) -> None:
        self.asked, self.left = asyncio.Event(), asyncio.Event()

    async def __call__(self, _: Head, line: Line) -> None:
        self.asked.set()
        await line.reader.read(-1)
        self.left.set()


async def test_during_the_exchange(town: Town, gateway: Gateway) -> None:
    hold = Hold()
    town.personal.faults = [hold]
    async with gateway.connected() as client:
        client.send(request(town.token()))
        await asyncio.wait_for(hold.asked.wait(), SECONDS)
    await _gone(gateway)
    assert town.upstream.calls == 0


async def test_inside_an_upload_closes_the_upstreams_connection(town: Town, gateway: Gateway) -> None:
    hold = Hold()
    town.upstream.faults = [hold]
    async with gateway.connected() as client:
        client.send(request(town.token(), "/upload", "content-length: 1000000", method="POST") + b"x" * 100)
        await asyncio.wait_for(hold.asked.wait(), SECONDS)
    await asyncio.wait_for(hold.left.wait(), SECONDS)
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
    await asyncio.wait_for(left.wait(), SECONDS)
    await _gone(gateway)


def _half(client: Client) -> None:
    client.writer.write_eof()


LEAVING = [Client.leave, _half]


@pytest.mark.parametrize("leave", LEAVING)
@pytest.mark.parametrize("behind", [0, 1, 20])
async def test_behind_whatever_was_asked_for(
    town: Town, gateway: Gateway, leave: Callable[[Client], None], behind: int
) -> None:
    """A half-close is a disconnect. With requests queued behind, reading pauses: it is noticed all the same."""
    hold = Hold()
    town.upstream.faults = [hold]
    async with gateway.connected() as client:
        client.send(request(town.token()) * (1 + behind))
        await asyncio.wait_for(hold.asked.wait(), SECONDS)
        leave(client)
        await asyncio.wait_for(hold.left.wait(), SECONDS)
    await _gone(gateway)
    assert town.upstream.calls == 1


async def test_inside_an_answer_with_a_request_behind(town: Town, gateway: Gateway) -> None:
    over = asyncio.Event()

    async def endless(_: Head, line: Line) -> None:
        await line.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"x"))
        await line.reader.read(-1)
        over.set()

    town.upstream.faults = [endless]
    async with gateway.connected() as client:
        client.send(request(town.token()) * 2)
        await client.head()
        client.leave()
        await asyncio.wait_for(over.wait(), SECONDS)
    await _gone(gateway)


async def test_with_an_upload_that_the_upstream_does_not_read(town: Town, gateway: Gateway) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_: Head, line: Line) -> None:
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        asked.set()
        await go_on.wait()
        line.reset()
        raise EOFError

    town.upstream.faults = [hold]
    async with gateway.connected() as client:
        client.send(request(town.token(), method="POST", body=b"x" * 30_000_000))
        await asyncio.wait_for(asked.wait(), SECONDS)
        client.reset()
        await _gone(gateway)
        go_on.set()
