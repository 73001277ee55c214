"""What must hold of a request's head and body before the domain sees them: limits, pace, and who went away."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from talaria.domain.errors import (
    BadRequest,
    BadRequestTarget,
    BodyTooLarge,
    ClientGone,
    HeadersTooLarge,
    MethodNotAllowed,
    Refusal,
)
from talaria.domain.events import RequestContext
from talaria.domain.http import ClientRequest, Headers
from talaria.entrypoints.public.validation import RequestBody, check_head, take_in
from tests.unit.domain.support_time import clock, run

Piece = tuple[bytes, bool] | None
GONE: Piece = None


def chunk(body: bytes = b"", more: bool = True) -> Piece:
    """A piece of a body."""
    return body, more


@dataclass
class Arrived:
    """A request as the server hands it over; sends its pieces, one every `pause` seconds, then falls silent."""

    target: bytes = b"/"
    length: int | None = None
    chunked: bool = False
    refusal: Refusal | None = None
    broken: bool = False
    bodiless: bool = False
    pieces: Sequence[Piece] = ()
    pause: float = 0.0
    method: str = "GET"
    peer: str = "203.0.113.7"
    scheme: str = "https"
    headers: Headers = field(default_factory=lambda: [(b"host", b"a"), (b"x-api-tag", b"wind")])
    disconnected: bool = False
    response_started: bool = False
    congested: bool = False
    idle_timeout: float = 60.0
    on_gone: Callable[[], object] | None = None
    sent: int = 0

    async def receive(self) -> tuple[bytes, bool]:
        """The next piece."""
        if self.sent == len(self.pieces):
            await asyncio.Event().wait()
        await asyncio.sleep(self.pause)
        self.sent += 1
        piece = self.pieces[self.sent - 1]
        if piece is None:
            raise ClientGone
        return piece

    def body(self, limit: int = 0, idle: float = 60.0) -> RequestBody:
        """The body of this request."""
        return RequestBody(self, RequestContext(idle_timeout=idle), limit)

    async def drained(self) -> None:
        """Nothing was sent."""

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """No answer is looked at here."""

    def begin(self, status: int, headers: Headers) -> None:
        """No answer is looked at here."""

    async def write(self, data: bytes) -> None:
        """No answer is looked at here."""

    def finish(self) -> None:
        """No answer is looked at here."""

    def abort(self) -> None:
        """Cut the connection."""
        self.disconnected = True


def sending(pieces: Sequence[Piece], pause: float = 0.0, broken: bool = False) -> Arrived:
    """A request with this body."""
    return Arrived(chunked=True, pieces=pieces, pause=pause, broken=broken)


def test_a_body_comes_as_it_was_sent() -> None:
    async def main() -> None:
        body = sending([chunk(b"a"), chunk(), chunk(b"bc"), chunk(b"d", more=False)]).body()
        assert [part async for part in body] == [b"a", b"bc", b"d"]
        assert body.bytes_in == 4
        assert [part async for part in body] == []

    run(main())


@pytest.mark.parametrize("messages", [[chunk(more=False)], [chunk(), chunk(more=False)]])
def test_a_body_may_be_empty(messages: list[Piece]) -> None:
    async def main() -> None:
        body = sending(messages).body()
        assert [part async for part in body] == []
        assert body.bytes_in == 0

    run(main())


@pytest.mark.parametrize(("limit", "fits"), [(3, False), (4, True), (5, True), (0, True)])
def test_a_body_may_have_as_many_bytes_as_the_limit_says(limit: int, fits: bool) -> None:
    async def main() -> None:
        client = sending([chunk(b"ab"), chunk(b"cd"), chunk(b"", more=False)])
        body, passed = client.body(limit), b""
        try:
            async for part in body:
                passed += part
        except BodyTooLarge:
            assert (fits, passed) == (False, b"ab")
        else:
            assert (fits, passed) == (True, b"abcd")

    run(main())


def test_an_endless_body_ends_at_the_limit() -> None:
    async def main() -> None:
        client = sending([chunk(b"x" * 100)] * 1000)
        with pytest.raises(BodyTooLarge):
            async for _ in client.body(1000):
                pass
        assert client.sent == 11

    run(main())


def test_silence_inside_a_body_is_a_client_that_went_away() -> None:
    async def main() -> None:
        body = sending([chunk(b"a")]).body(idle=7.0)
        before = clock().now()
        assert await anext(body) == b"a"
        with pytest.raises(ClientGone, match="silent"):
            await anext(body)
        assert clock().now() - before == pytest.approx(7.0)

    run(main())


def test_a_slow_body_is_no_silence() -> None:
    async def main() -> None:
        messages = [chunk(b"a") for _ in range(10)] + [chunk(more=False)]
        body = sending(messages, pause=6.9).body(idle=7.0)
        assert len([part async for part in body]) == 10

    run(main())


def test_time_that_the_upstream_takes_is_no_silence_of_the_client() -> None:
    async def main() -> None:
        body = sending([chunk(b"a"), chunk(b"b", more=False)], pause=1.0).body(idle=7.0)
        assert await anext(body) == b"a"
        await asyncio.sleep(100)
        assert await anext(body) == b"b"

    run(main())


def test_the_idle_time_is_the_one_that_the_route_has_set_meanwhile() -> None:
    async def main() -> None:
        context = RequestContext()
        body = RequestBody(sending([]), context, 0)
        context.idle_timeout = 3.0
        before = clock().now()
        with pytest.raises(ClientGone):
            await anext(body)
        assert clock().now() - before == pytest.approx(3.0)

    run(main())


@pytest.mark.parametrize("before", [[], [chunk(b"a")], [chunk()]])
def test_a_client_that_leaves_inside_its_body(before: list[Piece]) -> None:
    async def main() -> None:
        body = sending([*before, GONE]).body()
        with pytest.raises(ClientGone):
            [part async for part in body]

    run(main())


@pytest.mark.parametrize("message", [chunk(b"rest", more=False), chunk(more=False)])
def test_a_broken_framing_is_never_the_end_of_a_body(message: Piece) -> None:
    async def main() -> None:
        body = sending([message], broken=True).body()
        with pytest.raises(BadRequest):
            await anext(body)
        assert body.bytes_in == 0

    run(main())


def test_cancelling_a_read_is_no_timeout() -> None:
    async def main() -> None:
        task = asyncio.create_task(anext(sending([]).body()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def taken(arrived: Arrived, limit: int = 10) -> ClientRequest:
    """The request as the domain takes it."""
    return take_in(arrived, RequestContext(), limit)


def test_the_target_is_what_was_on_the_wire() -> None:
    client_request = taken(Arrived(b"/%41?b=%2e"))
    assert (client_request.method, client_request.target, client_request.body, client_request.length) == (
        "GET",
        b"/%41?b=%2e",
        None,
        None,
    )
    assert (client_request.peer, client_request.scheme) == ("203.0.113.7", "https")


@pytest.mark.parametrize(
    ("arrived", "has_body"),
    [(Arrived(), False), (Arrived(length=0), False), (Arrived(length=10), True), (Arrived(chunked=True), True)],
)
def test_a_body_is_where_the_framing_says_one(arrived: Arrived, has_body: bool) -> None:
    client_request = taken(arrived)
    assert (client_request.body is not None, client_request.length) == (has_body, arrived.length)


def test_a_chunked_body_that_is_known_to_be_empty_is_none() -> None:
    client_request = taken(Arrived(chunked=True, bodiless=True))
    assert (client_request.body, client_request.length) == (None, 0)


def test_a_length_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    with pytest.raises(BodyTooLarge):
        taken(Arrived(length=11))
    assert taken(Arrived(length=11), limit=0).length == 11


@pytest.mark.parametrize(
    ("method", "arrived", "refusal"),
    [
        ("GET", Arrived(refusal=HeadersTooLarge()), HeadersTooLarge),
        ("CONNECT", Arrived(b"a:443"), MethodNotAllowed),
        ("TRACE", Arrived(), MethodNotAllowed),
        ("OPTIONS", Arrived(b"*"), BadRequestTarget),
        ("GET", Arrived(b"/../"), BadRequestTarget),
        ("TRACE", Arrived(b"/../", refusal=BadRequest()), BadRequest),
    ],
)
def test_what_the_head_alone_earns(method: str, arrived: Arrived, refusal: type[Refusal]) -> None:
    arrived.method = method
    with pytest.raises(refusal):
        check_head(arrived)
    with pytest.raises(refusal):
        taken(arrived)
