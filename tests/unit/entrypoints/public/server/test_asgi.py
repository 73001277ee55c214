"""A request served by an ASGI application: what it is told, what becomes of its response."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from talaria.domain.errors import ClientGone
from talaria.domain.http import Headers
from talaria.entrypoints.public.server.asgi import AsgiCycle, Message
from tests.unit.entrypoints.public.support_cycle import CHUNKED, GONE, MemoryLink, arrived, chunk

Send = Callable[[Message], Awaitable[None]]


def complete(headers: Headers) -> Headers:
    """What every response gets here."""
    return [*headers, (b"x-request-id", b"r-1")]


def served(target: bytes = b"/", **more: Any) -> tuple[AsgiCycle, MemoryLink]:
    """A request for an application."""
    cycle, link = arrived(target, **more)
    return AsgiCycle(cycle, "r-1", complete), link


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    """The head of a response."""
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, more: bool = False) -> Message:
    """A piece of its body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_the_scope_says_what_the_client_asked() -> None:
    headers = [(b"host", b"a"), (b"x-request-id", b"theirs"), (b"x-request-id", b"twice")]
    scope = served(b"/a%20b?c=%20", method="HEAD", headers=headers, http10=True)[0].scope
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.0",
        "method": "HEAD",
        "scheme": "https",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20",
        "root_path": "",
        "headers": [(b"host", b"a"), (b"x-request-id", b"r-1")],
        "client": ("203.0.113.7", 0),
        "server": None,
        "state": {},
    }


async def test_a_body_is_received_in_pieces_and_nothing_comes_behind_it() -> None:
    page, _ = served(framing=CHUNKED, pieces=[chunk(b"a"), chunk(b"b", more=False)])
    assert await page.receive() == {"type": "http.request", "body": b"a", "more_body": True}
    assert await page.receive() == {"type": "http.request", "body": b"b", "more_body": False}
    behind = asyncio.create_task(page.receive())
    await asyncio.sleep(0)
    assert not behind.done()
    behind.cancel()


async def test_a_client_that_disconnects_ends_the_receiving() -> None:
    page, _ = served(framing=CHUNKED, pieces=[GONE])
    with pytest.raises(ClientGone):
        await page.receive()


async def test_a_complete_response_is_written_in_one_piece_with_the_headers_of_all() -> None:
    page, link = served()
    await page.send(start(201, (b"content-length", b"2"), (b"x-request-id", b"another")))
    assert link.written == b""
    await page.send(body(b"ok"))
    assert link.written == b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nx-request-id: r-1\r\n\r\nok"
    assert (page.status, page.bytes_out, link.batched, len(link.completed)) == (201, 2, 1, 1)


async def test_a_stream_is_written_as_it_comes() -> None:
    page, link = served()
    await page.send(start())
    await page.send(body(b"one", more=True))
    assert link.written.endswith(b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
    await page.send(body(b"three"))
    assert link.written.endswith(b"5\r\nthree\r\n0\r\n\r\n")
    assert (page.bytes_out, len(link.completed)) == (8, 1)


async def test_a_message_without_a_body_is_an_empty_one() -> None:
    page, link = served()
    await page.send(start(200))
    await page.send({"type": "http.response.body"})
    assert (link.written.endswith(b"\r\n\r\n"), page.bytes_out, len(link.completed)) == (True, 0, 1)
