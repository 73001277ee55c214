"""Deadlines, silences, and requests that are given up at each await: the counters are right after every one."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from talaria.adapters.http1.errors import PoolExhausted, ReadTimeout
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.domain.http import UpstreamRequest
from tests.integration.http1.support_peers import HELLO, RawUpstream, forever, read, request, upstream


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    await reader.read()


async def _half_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HELLO[:20])
    await reader.read()


async def _half_a_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HELLO[:-2])
    await reader.read()


async def _slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    """Reads, but far more slowly than it is sent to."""
    while await reader.read(65536):
        await asyncio.sleep(0.005)


async def _endless_body() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65536


async def _silent_body() -> AsyncIterator[bytes]:
    yield b"x"
    await asyncio.Event().wait()


@pytest.mark.parametrize("handler", [_silent, _half_a_head])
async def test_the_head_must_come_in_time(handler: object) -> None:
    async with upstream(handler) as raw:  # type: ignore[arg-type]
        client = Http1Upstream(raw.url)
        sent = request(timeout=0.05)
        with pytest.raises(ReadTimeout):
            await client.send(sent)
        assert [attempt.outcome for attempt in sent.attempts] == ["timeout"]
        await raw.until(lambda: raw.open == 0)
        assert client.in_flight == 0


async def test_a_silence_inside_a_body_is_bounded() -> None:
    async with upstream(_half_a_body) as raw:
        client = Http1Upstream(raw.url)
        answer = await client.send(request(idle_timeout=0.05))
        with pytest.raises(ReadTimeout):
            await read(answer)
        await raw.until(lambda: raw.open == 0)
        assert client.in_flight == 0


async def test_a_body_that_moves_may_take_longer_than_the_head() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n")
        for _ in range(15):
            await asyncio.sleep(0.04)
            writer.write(b"h")

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        answer = await client.send(request(timeout=0.5))
        assert await read(answer) == b"h" * 15
        await client.aclose()


async def test_the_wait_for_a_connection_counts() -> None:
    async with upstream(_silent) as raw:
        client = Http1Upstream(raw.url, max_connections=1)
        first = asyncio.create_task(client.send(request()))
        await raw.until(lambda: raw.open == 1)
        sent = request(timeout=0.05)
        with pytest.raises(PoolExhausted) as caught:
            await client.send(sent)
        assert (caught.value.request_sent, client.in_flight) == (False, 1)
        assert [attempt.outcome for attempt in sent.attempts] == ["overloaded"]
        first.cancel()
        await asyncio.wait([first])
        assert client.in_flight == 0


LEAVING: dict[str, tuple[object, Callable[[], UpstreamRequest]]] = {
    "before an answer": (_silent, request),
    "inside a head": (_half_a_head, request),
    "while the body is silent": (_silent, lambda: request("POST", body=_silent_body())),
    "while the upstream is slow to read": (_slow, lambda: request("POST", body=_endless_body())),
}


@pytest.mark.parametrize(("handler", "make"), LEAVING.values(), ids=LEAVING.keys())
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 50])
async def test_leaving_at_any_step(handler: object, make: Callable[[], UpstreamRequest], steps: int) -> None:
    async with upstream(handler) as raw:  # type: ignore[arg-type]
        client = Http1Upstream(raw.url)
        before = asyncio.all_tasks()
        sending = asyncio.create_task(client.send(make()))
        for _ in range(steps):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()
        await _nothing_left(raw, client, before)


@pytest.mark.parametrize("steps", range(12))
async def test_leaving_while_the_answer_arrives(steps: int) -> None:
    """Whichever is first, the leaving or the answer: the next request gets its own answer."""
    async with upstream(forever) as raw:
        client = Http1Upstream(raw.url, max_connections=1)
        await client.send(request())
        sending = asyncio.create_task(client.send(request()))
        for _ in range(steps):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        assert client.in_flight == 0
        assert (await client.send(request())).complete_body == b"hello"
        await client.aclose()


async def test_leaving_inside_a_body() -> None:
    async with upstream(_half_a_body) as raw:
        client = Http1Upstream(raw.url)
        answer = await client.send(request())
        assert await anext(answer.body) == b"hel"
        before = asyncio.all_tasks()
        reading = asyncio.ensure_future(anext(answer.body))
        await asyncio.sleep(0)
        assert client.in_flight == 1
        reading.cancel()
        await asyncio.wait([reading])
        await _nothing_left(raw, client, before)


async def test_closing_a_body_ends_it_at_the_upstream() -> None:
    async with upstream(_half_a_body) as raw:
        client = Http1Upstream(raw.url)
        answer = await client.send(request())
        await answer.body.aclose()
        await raw.until(lambda: raw.open == 0)
        assert client.in_flight == 0
        assert await read(answer) == b""


async def _nothing_left(raw: RawUpstream, client: Http1Upstream, before: "set[asyncio.Task[object]]") -> None:
    """No connection, no count and no task is left of the request, within a second."""
    assert client.in_flight == 0
    async with asyncio.timeout(1):
        await raw.until(lambda: raw.open == 0)
        while [task for task in asyncio.all_tasks() - before if "upload" in repr(task) or "connect" in repr(task)]:
            await asyncio.sleep(0)
