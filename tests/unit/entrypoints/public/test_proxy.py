"""A request that is passed on: counted, streamed with the client's pace, its upstream's body always given back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from talaria.domain.errors import BadAnswer, UnknownApiTag
from talaria.domain.events import RequestContext
from talaria.domain.gateway import Gateway
from talaria.domain.http import ClientRequest, ClientResponse, Headers
from talaria.domain.resilience import ConcurrencyLimiter
from talaria.entrypoints.public.proxy import Proxy
from talaria.testing import MemoryRecorder
from tests.unit.entrypoints.public.support_cycle import CHUNKED, MemoryLink, arrived, chunk
from tests.unit.entrypoints.public.support_events import finished
from tests.unit.support_time import clock, run, settle

IDLE = 7.0


class UpstreamBody:
    """A response's body in these pieces; an exception in place of one is raised there."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = list(pieces)
        self.given = 0
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.given == len(self.pieces):
            raise StopAsyncIteration
        self.given += 1
        piece = self.pieces[self.given - 1]
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self) -> None:
        self.closed += 1


class ScriptedGateway:
    """Answers as it is told to, or by reading the request's body."""

    def __init__(self, answer: Callable[[], ClientResponse] | Exception) -> None:
        self._answer = answer
        self.bodies: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, request: ClientRequest, context: RequestContext) -> ClientResponse:
        context.request_id = "r-1"
        if request.body is not None:
            request.body.begin(IDLE, 60.0)
            self.bodies.append(b"".join([piece async for piece in request.body]))
        await self.gate.wait()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer()


class World:
    """A proxy in front of a scripted gateway. Needs a loop of support_time."""

    def __init__(self, answer: Callable[[], ClientResponse] | Exception, limit: int = 2) -> None:
        self.gateway = ScriptedGateway(answer)
        self.recorder = MemoryRecorder()
        self.limiter = ConcurrencyLimiter(limit)
        self.proxy = Proxy(cast(Gateway, self.gateway), self.recorder, clock(), self.limiter, body_limit=100)


def response(body: UpstreamBody, status: int = 200, *, complete: bytes | None = None) -> Callable[[], ClientResponse]:
    """What the gateway answers."""
    headers: Headers = [] if complete is None else [(b"content-length", b"%d" % len(complete))]
    return lambda: ClientResponse(status, headers, body, complete, IDLE)


def written(link: MemoryLink) -> bytes:
    """What the client got behind the head."""
    return link.written.partition(b"\r\n\r\n")[2]


def test_a_complete_response_goes_out_in_one_piece() -> None:
    async def main() -> None:
        body = UpstreamBody(b"never read")
        world = World(response(body, complete=b"body"))
        cycle, link = arrived()
        await world.proxy(cycle)
        event = finished(world.recorder)
        assert (written(link), link.batched, body.given) == (b"body", 1, 0)
        assert (event.status, event.origin, event.bytes_out, event.reason) == (200, "upstream", 4, "")
        assert b"x-request-id: r-1\r\n" in link.written
        assert world.limiter.in_flight == 0

    run(main())


def test_a_stream_is_passed_on_piece_by_piece_and_given_back() -> None:
    async def main() -> None:
        body = UpstreamBody(b"one", b"two")
        world = World(response(body))
        cycle, link = arrived()
        await world.proxy(cycle)
        assert (written(link), body.closed) == (b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", 1)
        assert (finished(world.recorder).bytes_out, cycle.idle_timeout) == (6, IDLE)

    run(main())


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_is_not_waited_for(method: str, status: int) -> None:
    async def main() -> None:
        body = UpstreamBody(b"surplus")
        world = World(response(body, status))
        cycle, link = arrived(method=method)
        await world.proxy(cycle)
        assert (body.given, body.closed, written(link), len(link.completed)) == (0, 1, b"", 1)

    run(main())


@pytest.mark.parametrize("complete", [None, b"body"])
def test_nothing_is_written_while_the_client_does_not_read_what_was_written_before(complete: bytes | None) -> None:
    async def main() -> None:
        world = World(response(UpstreamBody(b"body"), complete=complete))
        cycle, link = arrived()
        link.stuck()
        serving = asyncio.create_task(world.proxy(cycle))
        await settle()
        assert (link.written, finished_count(world)) == (b"", 0)
        link.taken()
        await serving
        assert b"body" in written(link)

    run(main())


def finished_count(world: World) -> int:
    """How many requests are over."""
    return len(world.recorder.events)


def test_a_client_that_never_reads_is_cut_and_its_upstream_is_read_no_further() -> None:
    async def main() -> None:
        body = UpstreamBody(*[b"x" * 1000] * 1000)
        world = World(response(body))
        cycle, link = arrived()
        cycle_writes = link.write

        def full(data: bytes) -> None:
            cycle_writes(data)
            link.stuck()

        link.write = full  # type: ignore[method-assign]  # every write fills the buffer
        since = clock().now()
        await world.proxy(cycle)
        event = finished(world.recorder)
        assert (event.status, event.reason, event.cause) == (499, "client-gone", "does not read its answer")
        assert clock().now() - since == pytest.approx(IDLE)
        assert (link.ended, body.given, body.closed, world.limiter.in_flight) == ("aborted", 1, 1, 0)

    run(main())


def test_a_body_that_breaks_cuts_the_response() -> None:
    async def main() -> None:
        body = UpstreamBody(b"half", BadAnswer("upstream", "broken"))
        world = World(response(body))
        cycle, link = arrived()
        await world.proxy(cycle)
        event = finished(world.recorder)
        assert (event.status, event.reason, event.bytes_out) == (200, "upstream-bad-answer", 4)
        assert (link.ended, body.closed) == ("aborted", 1)

    run(main())


def test_a_request_body_is_counted_and_a_refusal_is_answered() -> None:
    async def main() -> None:
        world = World(UnknownApiTag())
        cycle, link = arrived(method="POST", framing=CHUNKED, pieces=[chunk(b"abc"), chunk(b"d", more=False)])
        await world.proxy(cycle)
        event = finished(world.recorder)
        assert (world.gateway.bodies, event.bytes_in, event.status) == ([b"abcd"], 4, 404)
        assert b'"unknown-api-tag"' in written(link)

    run(main())


def test_past_the_limit_a_request_is_refused_and_takes_no_place() -> None:
    async def main() -> None:
        world = World(response(UpstreamBody(), complete=b""), limit=1)
        world.gateway.gate.clear()
        first = asyncio.create_task(world.proxy(arrived()[0]))
        await settle()
        refused, link = arrived()
        await world.proxy(refused)
        assert (b'"overloaded"' in written(link), world.limiter.in_flight) == (True, 1)
        world.gateway.gate.set()
        await first
        assert world.limiter.in_flight == 0

    run(main())


def test_a_bad_head_is_refused_whatever_the_load() -> None:
    async def main() -> None:
        world = World(response(UpstreamBody(), complete=b""), limit=0)
        cycle, link = arrived(b"/../")
        await world.proxy(cycle)
        assert b'"bad-request-target"' in written(link)

    run(main())


def test_a_request_under_way_keeps_its_gateway_and_the_next_one_gets_the_new() -> None:
    async def main() -> None:
        world = World(response(UpstreamBody(), complete=b"old"))
        world.gateway.gate.clear()
        old, old_link = arrived()
        under_way = asyncio.create_task(world.proxy(old))
        await settle()
        world.proxy.pass_on_by(cast(Gateway, ScriptedGateway(response(UpstreamBody(), complete=b"new"))), 100)
        new, new_link = arrived()
        await world.proxy(new)
        world.gateway.gate.set()
        await under_way
        assert (written(old_link), written(new_link)) == (b"old", b"new")

    run(main())
