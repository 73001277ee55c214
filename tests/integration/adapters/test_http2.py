"""HTTP/2 as a gateway needs it: what httpcore's own connection would get wrong."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import h2.connection
import h2.events
import h2.exceptions
import pytest

from talaria.adapters.httpx_origin import HttpxOrigin
from talaria.domain.errors import BadAnswer, Unreachable
from tests.integration.adapters.support_http2 import Http2Echo
from tests.integration.http1.support_peers import RawUpstream, pieces, read, request, upstream
from tests.integration.http1.support_tls import client_context, server_context
from tests.support_refusals import by


@asynccontextmanager
async def origin_of(folder: Path, peer: Http2Echo) -> AsyncIterator[tuple[HttpxOrigin, RawUpstream]]:
    async with upstream(peer.serve, tls=server_context(folder, "localhost")) as raw:
        origin = HttpxOrigin(raw.url, http2=True, ssl_context=client_context(folder))
        try:
            yield origin, raw
        finally:
            await origin.aclose()


class Silent(Http2Echo):
    """Never answers."""

    def answer(self, connection: h2.connection.H2Connection, stream: int, path: bytes, body: bytes) -> None:
        """Nothing."""


async def test_the_upstream_is_told_that_nobody_waits_any_more(tmp_path: Path) -> None:
    peer = Silent()
    async with origin_of(tmp_path, peer) as (origin, raw):
        left, kept = [asyncio.create_task(origin.send(request())) for _ in range(2)]
        await peer.until(lambda: len(peer.headers) == 2)
        left.cancel()
        await peer.until(lambda: bool(peer.resets))
        assert raw.open == raw.connections == 1, "others are using the connection"
        assert not kept.done()
        kept.cancel()
        await asyncio.wait([left, kept])


class Long(Http2Echo):
    """Answers /long with 8 MiB, as far as the windows allow it; anything else as an echo."""

    LENGTH = 8 * 1024 * 1024

    def __init__(self) -> None:
        super().__init__()
        self.left: dict[int, int] = {}

    def answer(self, connection: h2.connection.H2Connection, stream: int, path: bytes, body: bytes) -> None:
        """Begin, or echo."""
        if path != b"/long":
            super().answer(connection, stream, path, body)
            return
        connection.send_headers(stream, [(":status", "200")])
        self.left[stream] = self.LENGTH
        self._more(connection)

    def take(self, connection: h2.connection.H2Connection, event: h2.events.Event) -> None:
        """Go on where a window has grown, too."""
        super().take(connection, event)
        self._more(connection)

    def _more(self, connection: h2.connection.H2Connection) -> None:
        for stream, left in list(self.left.items()):
            with suppress(h2.exceptions.StreamClosedError, h2.exceptions.NoSuchStreamError):
                while left and (room := min(connection.local_flow_control_window(stream), 16_384, left)):
                    left -= room
                    connection.send_data(stream, bytes(room), end_stream=not left)
            self.left[stream] = left


async def test_those_who_read_slowly_hold_up_nobody_else(tmp_path: Path) -> None:
    peer = Long()
    async with origin_of(tmp_path, peer) as (origin, raw):
        slow = [await origin.send(request("GET", b"/long")) for _ in range(20)]
        assert await read(await origin.send(request("GET", b"/short"))) == b"/short "
        assert raw.connections == 1
        for answer in slow[1:]:
            await answer.body.aclose()
        assert len(await read(slow[0])) == Long.LENGTH
        assert min(peer.left.values()) == 0


async def test_answers_given_up_cost_the_connection_nothing(tmp_path: Path) -> None:
    peer = Long()
    async with origin_of(tmp_path, peer) as (origin, raw):
        slow = await origin.send(request("GET", b"/long"))
        for _ in range(40):
            answer = await origin.send(request("GET", b"/long"))
            await anext(answer.body)
            await answer.body.aclose()
        assert len(await read(slow)) == Long.LENGTH
        assert raw.connections == 1
        await peer.until(lambda: len(peer.resets) == 40)


async def test_clients_that_leave_at_any_moment_hurt_no_other(tmp_path: Path) -> None:
    chance = random.Random(1)
    loop = asyncio.get_running_loop()
    async with origin_of(tmp_path, Http2Echo()) as (origin, _):

        async def ask(number: int) -> bool:
            sent = pieces(b"x" * 3000, b"%d" % number)
            answer = await origin.send(request("POST", b"/%d" % number, body=sent, length=None))
            return await read(answer) == b"/%d %b%d" % (number, b"x" * 3000, number)

        for batch in range(20):
            tasks = [asyncio.create_task(ask(batch * 50 + number)) for number in range(50)]
            left = tasks[::4]
            for task in left:
                loop.call_later(chance.random() * 0.03, task.cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [one for task, one in zip(tasks, results, strict=True) if task not in left] == [True] * 37
        assert origin.in_flight == 0


class Hasty(Http2Echo):
    """Closes each connection after its first answer, without a word."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, nth: int) -> None:
        """One connection."""
        serving = asyncio.create_task(super().serve(reader, writer, nth))
        while not self.headers or self._paths:
            await self.changed.wait()
            self.changed.clear()
        await writer.drain()
        self.headers.clear()
        serving.cancel()
        writer.transport.abort()  # close() would wait for the other side, under uvloop


async def test_a_connection_that_was_closed_while_idle_is_not_used_again(tmp_path: Path) -> None:
    async with origin_of(tmp_path, Hasty()) as (origin, raw):
        for number in range(1, 4):
            outbound = request("POST", b"/", body=pieces(b"x"), length=1)
            assert await read(await origin.send(outbound)) == b"/ x"
            await raw.until(lambda: raw.open == 0)
            assert raw.connections == number


class Leaving(Http2Echo):
    """Says goodbye to every second request on a connection: it has not taken it."""

    def answer(self, connection: h2.connection.H2Connection, stream: int, path: bytes, body: bytes) -> None:
        """Answer the first."""
        if stream == 1:
            super().answer(connection, stream, path, body)
        else:
            connection.close_connection(last_stream_id=1)


async def test_what_was_not_taken_is_sent_again_only_where_all_of_it_can_be(tmp_path: Path) -> None:
    peer = Leaving()
    async with origin_of(tmp_path, peer) as (origin, raw):
        await read(await origin.send(request("GET", b"/1")))
        assert await read(await origin.send(request("GET", b"/2"))) == b"/2 "
        assert raw.connections == 2
        with pytest.raises(Unreachable, match="connection closed", check=by("upstream")):
            await origin.send(request("POST", b"/3", body=pieces(b"x"), length=None))
        assert [dict(headers)[b":path"] for headers in peer.headers] == [b"/1", b"/2", b"/2", b"/3"]


class Poisoned(Http2Echo):
    """Answers with a line break in a header."""

    def answer(self, connection: h2.connection.H2Connection, stream: int, path: bytes, body: bytes) -> None:
        """Answer."""
        connection.send_headers(stream, [(b":status", b"200"), (b"x-a", b"1\r\nset-cookie: a=1")], end_stream=True)


async def test_a_line_break_in_a_header_is_no_answer(tmp_path: Path) -> None:
    async with origin_of(tmp_path, Poisoned()) as (origin, _):
        with pytest.raises(BadAnswer, check=by("upstream")):
            await origin.send(request())
