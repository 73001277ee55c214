"""What goes wrong before a request is written: it is no response, costs no slot, and other requests nothing."""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.upstream import Http1Upstream
from talaria.adapters.http1.write_batcher import WriteBatcher
from talaria.domain.http import UpstreamRequest
from tests.integration.http1.support_peers import HELLO, RawUpstream, forever, pieces, request, upstream

POISON = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"


class Late(WriteBatcher):
    """An answer too many arrives when the next request waits to be written, once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection: Connection | None = connection

    def write(self, loop: asyncio.AbstractEventLoop, write: Callable[[bytes], None], data: bytes) -> None:
        super().write(loop, write, data)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.get_buffer(-1)[: len(POISON)] = POISON
            connection.buffer_updated(len(POISON))


async def _poisoned(raw: RawUpstream, sent: UpstreamRequest) -> bytes | None:
    """What a request gets on a kept connection where bytes arrive before it is written."""
    client = Http1Upstream(raw.url)
    await client.send(request())
    (connection,) = client._pool._members
    connection._batcher = Late(connection)
    try:
        return (await client.send(sent)).complete_body
    finally:
        assert connection.closed
        assert client.in_flight == 0
        await client.aclose()


async def test_bytes_before_a_request_are_no_answer_and_it_is_sent_again() -> None:
    async with upstream(forever) as raw:
        sent = request()
        assert await _poisoned(raw, sent) == b"hello"
        assert (raw.connections, [attempt.outcome for attempt in sent.attempts]) == (2, ["broken", "ok"])


async def test_of_a_request_that_is_not_idempotent_nothing_was_sent_either() -> None:
    async with upstream(forever) as raw:
        assert await _poisoned(raw, request("POST", length=0)) == b"hello"
        assert raw.connections == 2


async def test_a_request_that_can_not_be_begun_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    async with upstream(forever) as raw:
        client = Http1Upstream(raw.url, max_connections=1)
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "_begin_request_body", fail)
            for _ in range(2):
                with pytest.raises(RuntimeError, match="no"):
                    await client.send(request("POST", body=pieces(b"a"), length=1))
        assert client.in_flight == 0
        assert (await client.send(request())).complete_body == b"hello"
        await client.aclose()
    assert complaints == []


async def test_an_upload_needs_no_descriptor_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(HELLO)

    async with upstream(handler) as raw:
        client = Http1Upstream(raw.url)
        monkeypatch.setattr(os, "dup", full)
        answer = await client.send(request("POST", body=pieces(b"a")))
        monkeypatch.undo()
        assert (answer.complete_body, client.in_flight) == (b"hello", 0)
        await client.aclose()
