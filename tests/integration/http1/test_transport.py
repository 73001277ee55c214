"""The pool as httpx sees it."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from talaria.adapters.http1.errors import ConnectError, ConnectionClosed, ReadTimeout, RemoteProtocolError
from talaria.adapters.http1.transport import Http1Transport
from tests.integration.http1.support_peers import HELLO, answering, forever, upstream

HAS_BODY = b"content-length: "


def _client(**settings: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=Http1Transport(**settings), timeout=5.0)  # type: ignore[arg-type]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    """Answers with the request's own bytes, head and body."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        if HAS_BODY in head:
            head += await reader.readexactly(int(head.split(HAS_BODY)[1].split(b"\r\n")[0]))
        elif b"chunked" in head:
            head += await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: %d\r\n\r\n" % len(head))
        writer.write(head)


async def test_get_and_post() -> None:
    async with upstream(_echo) as raw, _client() as client:
        answer = await client.get(raw.url + "/a%2Fb?c=%20", headers={"X-Trace": "1"})
        assert answer.content.startswith(b"GET /a%2Fb?c=%20 HTTP/1.1\r\nhost: 127.0.0.1:")
        assert b"\r\nx-trace: 1\r\n" in answer.content
        assert b"connection" not in answer.content
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
        answer = await client.post(raw.url + "/", json={"a": 1})
        assert answer.content.endswith(b'content-length: 7\r\n\r\n{"a":1}')
        answer = await client.post(raw.url + "/")
        assert answer.content.endswith(b"\r\ncontent-length: 0\r\n\r\n")
        assert raw.connections == 1


async def test_a_streamed_request_is_sent_whole() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c"

    async with upstream(_echo) as raw, _client() as client:
        answer = await client.put(raw.url, content=body())
        assert b"transfer-encoding" not in answer.content
        assert answer.content.endswith(b"content-length: 3\r\n\r\nabc")


async def test_a_streamed_answer() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for byte in HELLO:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)

    async with upstream(handler) as raw, _client() as client:
        async with client.stream("GET", raw.url) as answer:
            assert b"".join([chunk async for chunk in answer.aiter_bytes()]) == b"hello"
        async with client.stream("GET", raw.url) as answer:
            assert answer.status_code == 200


async def test_each_host_has_its_own_connections() -> None:
    async with upstream(forever) as one, upstream(forever) as other, _client() as client:
        for url in (one.url, other.url, one.url, other.url):
            assert (await client.get(url)).text == "hello"
        assert (one.connections, other.connections) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionClosed),
        (b"HTTP/1.1 200 OK\r\na : b\r\n\r\n", RemoteProtocolError),
        (HELLO[:-1], ConnectionClosed),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nz\r\n", RemoteProtocolError),
    ],
)
async def test_failures_have_the_names_of_our_client(answer: bytes, error: type[Exception]) -> None:
    async with upstream(answering(answer)) as raw, _client() as client:
        with pytest.raises(error):
            await client.post(raw.url)


async def test_timeouts_of_a_request_are_obeyed() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HELLO[:-1] if reader_sees.is_set() else b"")
        await reader.read()

    reader_sees = asyncio.Event()
    async with upstream(silent) as raw, _client() as client:
        with pytest.raises(ReadTimeout):
            await client.get(raw.url, timeout=httpx.Timeout(5.0, connect=0.02, read=0.02))
        reader_sees.set()
        with pytest.raises(ReadTimeout):
            await client.get(raw.url, timeout=httpx.Timeout(5.0, read=0.02))


async def test_without_a_listener() -> None:
    async with _client() as client:
        with pytest.raises(ConnectError, match="connection refused"):
            await client.get("http://127.0.0.1:1")


async def test_no_timeout_at_all() -> None:
    async with upstream(forever) as raw, _client(max_connections=1) as client:
        answers = await asyncio.gather(*[client.get(raw.url, timeout=None) for _ in range(4)])
        assert [answer.text for answer in answers] == ["hello"] * 4
