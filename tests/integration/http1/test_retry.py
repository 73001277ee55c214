"""A kept connection that the peer closed: which requests are sent again, and which never."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from talaria.adapters.http1.errors import ConnectionClosed, ReadTimeout
from talaria.adapters.http1.upstream import Http1Upstream
from tests.integration.http1.support_peers import HELLO, Handler, RawUpstream, pieces, request, upstream


def _closing_when_asked_again(raw: list[RawUpstream]) -> Handler:
    """The first connection serves once, then reads one more head and closes without a word; others serve."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        while True:
            await raw[0].head_of(reader)
            if not nth and len(raw[0].heads) > 1:
                return
            writer.write(HELLO)

    return handler


async def _second_request(method: str, body: AsyncIterator[bytes] | None, length: int | None) -> RawUpstream:
    """Two requests on one connection, the second of which meets its end."""
    held: list[RawUpstream] = []
    async with upstream(_closing_when_asked_again(held)) as raw:
        held.append(raw)
        client = Http1Upstream(raw.url)
        try:
            await client.send(request())
            sent = request(method, body=body, length=length)
            await client.send(sent)
            assert [attempt.outcome for attempt in sent.attempts] == ["broken", "ok"]
        finally:
            assert client.in_flight == 0
            await client.aclose()
        return raw


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT", "DELETE"])
async def test_an_idempotent_request_without_a_body_is_sent_again_on_a_new_connection(method: str) -> None:
    raw = await _second_request(method, None, None)
    assert (raw.connections, len(raw.heads)) == (2, 3)


@pytest.mark.parametrize(("method", "length"), [("POST", 0), ("POST", None), ("PATCH", None)])
async def test_any_other_request_is_not_sent_again(method: str, length: int | None) -> None:
    with pytest.raises(ConnectionClosed):
        await _second_request(method, None, length)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_a_request_with_a_body_is_not_sent_again(method: str) -> None:
    with pytest.raises(ConnectionClosed):
        await _second_request(method, pieces(b"a"), 1)


async def test_a_new_connection_that_fails_is_not_tried_again() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await raw.head_of(reader)

    async with upstream(handler) as raw:
        sent = request()
        with pytest.raises(ConnectionClosed):
            await Http1Upstream(raw.url).send(sent)
        assert (raw.connections, [attempt.outcome for attempt in sent.attempts]) == (1, ["broken"])


async def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await raw.head_of(reader)
        writer.write(HELLO)
        await raw.head_of(reader)
        writer.write(b"H")

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        await client.send(request())
        with pytest.raises(ConnectionClosed):
            await client.send(request())
        assert (raw.connections, len(raw.heads), client.in_flight) == (1, 2, 0)


async def test_the_second_attempt_has_the_rest_of_the_time() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        await raw.head_of(reader)
        if not nth:
            writer.write(HELLO)
            await raw.head_of(reader)
            return
        await reader.read()

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        await client.send(request())
        sent = request(timeout=0.05)
        with pytest.raises(ReadTimeout):
            await client.send(sent)
        assert [attempt.outcome for attempt in sent.attempts] == ["broken", "timeout"]
        assert client.in_flight == 0


async def test_many_kept_connections_that_died_cost_one_more_attempt_each() -> None:
    """The peer restarts: every kept connection is dead, no GET fails, and only those that met a dead one go again."""
    restarted = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        while True:
            await raw.head_of(reader)
            if nth < 8 and restarted.is_set():
                return
            await asyncio.sleep(0.01)
            writer.write(HELLO)

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url, max_connections=8)
        await asyncio.gather(*[client.send(request()) for _ in range(8)])
        assert raw.connections == 8
        assert client.in_flight == 0
        restarted.set()
        answers = await asyncio.gather(*[client.send(request()) for _ in range(24)])
        assert [answer.complete_body for answer in answers] == [b"hello"] * 24
        assert len(raw.heads) == 8 + 24 + 8
        assert client.in_flight == 0
        await client.aclose()
