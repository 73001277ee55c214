"""When a connection asks its fast path, and that whatever else happens hands the request over first."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from talaria.domain.events import RequestContext
from talaria.domain.http import ClientRequest, ClientResponse
from talaria.entrypoints.public.server.connection import ListenerState
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.fast_connection import FastConnection
from tests.unit.entrypoints.public.server.support_server import LIMITS, ClientTransport, Rejected, get, post, settled
from tests.unit.support_time import run


@dataclass
class Sent:
    """A request that was sent."""

    client: FastConnection
    data: bytes

    def leave(self) -> None:
        self.client.hand_over()

    async def resume(self, request: ClientRequest, context: RequestContext) -> ClientResponse:
        raise AssertionError("the app does that")


@dataclass
class FastPath:
    """Takes everything that it is asked about, where it is `willing`. `asked`: what that was."""

    enabled: bool = True
    willing: bool = True
    asked: list[bytes] = field(default_factory=list)

    def begin(self, client: FastConnection, data: bytes, header_limit: int) -> bool:
        self.asked.append(data)
        if self.willing:
            client.begun(Sent(client, data))
        return self.willing


class Harness:
    """One connection; its app notes the requests of the slow path, and waits."""

    def __init__(self) -> None:
        self.fast_path, self.transport, self.state = FastPath(), ClientTransport(), ListenerState()
        self.began: list[RequestResponseCycle] = []
        self.cancelled = 0
        self.connection = FastConnection(LIMITS, self._serve, Rejected(), self.state, self.fast_path)
        self.connection.connection_made(self.transport)

    async def _serve(self, cycle: RequestResponseCycle) -> None:
        self.began.append(cycle)
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            self.cancelled += 1

    async def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.connection.data_received(piece)
            await settled()


def test_a_request_that_is_taken_never_meets_the_parser() -> None:
    async def main() -> None:
        harness = Harness()
        for number in range(3):
            await harness.feed(get(f"/{number}"))
            assert not harness.connection.is_idle
            harness.connection.enforce_timeouts(harness.connection.loop.time() + 1000)
            harness.connection.answer(b"answer")
            await settled()
            assert harness.connection.is_idle
        assert harness.transport.written == b"answer" * 3
        assert harness.fast_path.asked == [get(f"/{number}") for number in range(3)]
        assert harness.began == []
        harness.connection.enforce_timeouts(harness.connection.loop.time() + LIMITS.keepalive_timeout + 1)
        assert harness.transport.ended == "closed"

    run(main())


async def _switched_off(harness: Harness) -> None:
    harness.fast_path.enabled = False


async def _half_a_head(harness: Harness) -> None:
    harness.fast_path.willing = False
    await harness.feed(get("/first")[:5])


async def _a_line_break(harness: Harness) -> None:
    harness.fast_path.willing = False
    await harness.feed(b"\r\n")


async def _half_a_head_behind_a_request(harness: Harness) -> None:
    harness.fast_path.willing = False
    await harness.feed(get("/first") + get("/second")[:5])
    harness.began[0].respond(200, [], b"")


async def _one_under_way(harness: Harness) -> None:
    harness.fast_path.willing = False
    await harness.feed(get("/first"))


async def _half_a_body(harness: Harness) -> None:
    harness.fast_path.willing = False
    await harness.feed(post("/first", b"hello")[:-2])
    harness.began[0].respond(200, [], b"")


async def _not_read(harness: Harness) -> None:
    harness.connection.pause_writing()


async def _queued_and_not_read(harness: Harness) -> None:
    harness.fast_path.willing = False
    await harness.feed(get("/first"), get("/second"))
    harness.connection.pause_writing()
    harness.began[0].respond(200, [], b"")


async def _not_admitted(harness: Harness) -> None:
    harness.state.admit = lambda peer: False
    harness.connection.connection_made(harness.transport)


async def _closing(harness: Harness) -> None:
    harness.connection.close_gracefully()


async def _draining(harness: Harness) -> None:
    harness.connection.begin_drain()


async def _refused(harness: Harness) -> None:
    harness.fast_path.willing = False
    await harness.feed(b"nonsense\r\n\r\n")


@pytest.mark.parametrize(
    "before",
    [
        _switched_off,
        _half_a_head,
        _half_a_head_behind_a_request,
        _a_line_break,
        _one_under_way,
        _half_a_body,
        _not_read,
        _queued_and_not_read,
        _not_admitted,
        _closing,
        _draining,
        _refused,
    ],
)
def test_it_is_asked_only_where_nothing_is_under_way(before: Callable[[Harness], Awaitable[None]]) -> None:
    async def main() -> None:
        harness = Harness()
        await before(harness)
        harness.fast_path.willing = True
        asked = len(harness.fast_path.asked)
        await harness.feed(get("/next"))
        assert len(harness.fast_path.asked) == asked
        for task in harness.state.tasks:
            task.cancel()
        await settled()

    run(main())


async def _more_bytes(connection: FastConnection) -> None:
    connection.data_received(get("/second"))


async def _eof(connection: FastConnection) -> None:
    connection.eof_received()


async def _lost(connection: FastConnection) -> None:
    connection.connection_lost(None)


async def _drain(connection: FastConnection) -> None:
    connection.begin_drain()


async def _reload(connection: FastConnection) -> None:
    connection.leave_fast_path()


@pytest.mark.parametrize("event", [_more_bytes, _eof, _lost, _drain, _reload])
@pytest.mark.parametrize("stuck", [False, True], ids=["read", "not read"])
def test_whatever_happens_hands_the_request_over_first(
    event: Callable[[FastConnection], Awaitable[None]], stuck: bool
) -> None:
    async def main() -> None:
        harness = Harness()
        await harness.feed(post("/first", b"hello"))
        if stuck:  # the response before it fills the buffer only now
            harness.connection.pause_writing()
        await event(harness.connection)
        assert len(harness.state.tasks) == 1
        await settled()
        cycle = harness.began[0]
        assert (cycle.method, cycle.target) == ("POST", b"/first")
        assert isinstance(cycle.first_try, Sent)
        gone = event in (_eof, _lost)
        assert (harness.cancelled, cycle.disconnected) == (gone, gone)
        assert cycle.keep_alive == (event is not _drain)
        assert len(harness.connection.pipeline.queued) == (event is _more_bytes)
        for task in harness.state.tasks:
            task.cancel()
        await settled()

    run(main())


def test_a_request_of_the_slow_path_was_not_sent() -> None:
    async def main() -> None:
        harness = Harness()
        harness.fast_path.willing = False
        await harness.feed(get("/first"))
        assert harness.began[0].first_try is None
        for task in harness.state.tasks:
            task.cancel()
        await settled()

    run(main())


def test_there_is_something_to_hand_over() -> None:
    async def main() -> None:
        with pytest.raises(AssertionError):
            Harness().connection.hand_over()

    run(main())
