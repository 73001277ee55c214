"""Request validation: what holds of a request's head and body before the domain gets them."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from talaria.domain.errors import (
    BadRequest,
    BadRequestTarget,
    BodyTooLarge,
    ClientGone,
    HeadersTooLarge,
    MethodNotAllowed,
    Refusal,
    UploadTimeout,
)
from talaria.domain.http import ClientRequest
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.framing import NO_BODY, Framing
from talaria.entrypoints.public.validation import ClientBody, check_head, to_client_request
from tests.unit.entrypoints.public.support_cycle import CHUNKED, GONE, Piece, arrived, chunk
from tests.unit.support_time import clock, run


def body_of(
    pieces: Sequence[Piece], limit: int = 0, idle: float = 60.0, upload: float = 300.0, pause: float = 0.0
) -> ClientBody:
    """The body that is sent in these pieces, begun."""
    cycle, _ = arrived(method="POST", framing=CHUNKED, pieces=pieces, pause=pause)
    body = ClientBody(cycle, limit)
    body.begin(idle, upload)
    return body


def test_a_body_comes_as_it_was_sent() -> None:
    async def main() -> None:
        body = body_of([chunk(b"a"), chunk(), chunk(b"bc"), chunk(b"d", more=False)])
        assert [part async for part in body] == [b"a", b"bc", b"d"]
        assert body.bytes_in == 4
        assert [part async for part in body] == []

    run(main())


@pytest.mark.parametrize("messages", [[chunk(more=False)], [chunk(), chunk(more=False)]])
def test_a_body_may_be_empty(messages: list[Piece]) -> None:
    async def main() -> None:
        body = body_of(messages)
        assert [part async for part in body] == []
        assert body.bytes_in == 0

    run(main())


@pytest.mark.parametrize(("limit", "fits"), [(3, False), (4, True), (5, True), (0, True)])
def test_a_body_may_have_as_many_bytes_as_the_limit_says(limit: int, fits: bool) -> None:
    async def main() -> None:
        body, passed = body_of([chunk(b"ab"), chunk(b"cd"), chunk(b"", more=False)], limit), b""
        try:
            async for part in body:
                passed += part
        except BodyTooLarge:
            assert (fits, passed) == (False, b"ab")
        else:
            assert (fits, passed) == (True, b"abcd")

    run(main())


@pytest.mark.parametrize(
    ("method", "size", "repeatable"),
    [
        *((method, 5, True) for method in ("GET", "HEAD", "OPTIONS", "DELETE")),
        *((method, 5, False) for method in ("POST", "PUT", "PATCH", "LINK")),
        ("DELETE", 64 * 1024, True),
        ("DELETE", 64 * 1024 + 1, False),
    ],
)
def test_a_small_body_of_a_method_that_is_sent_again_is_kept(method: str, size: int, repeatable: bool) -> None:
    async def main() -> None:
        sent = [bytes([at % 251]) * (size // 5) for at in range(4)]
        sent.append(b"z" * (size - sum(map(len, sent))))
        pieces = [*map(chunk, sent), chunk(more=False)]
        cycle, _ = arrived(method=method, framing=CHUNKED, pieces=pieces)
        body = ClientBody(cycle, size)
        body.begin(60.0, 300.0)
        async for _ in body:
            assert not body.repeatable
        assert (body.repeatable, body.bytes_in) == (repeatable, size)
        for _ in range(2 * repeatable):
            assert b"".join([part async for part in body]) == b"".join(sent)
            assert body.bytes_in == size

    run(main())


def test_a_body_of_which_nothing_was_read_is_repeatable_once_it_is_there() -> None:
    async def main() -> None:
        cycle, _ = arrived(method="DELETE", framing=CHUNKED)
        body = ClientBody(cycle, 0)
        body.begin(60.0, 300.0)
        assert not body.repeatable
        cycle.feed(b"abc")
        cycle.feed_eof()
        assert body.repeatable
        for _ in range(2):
            assert [part async for part in body] == [b"abc"]

    run(main())


def test_an_endless_body_ends_at_the_limit() -> None:
    async def main() -> None:
        cycle, link = arrived(framing=CHUNKED, pieces=[chunk(b"x" * 100)] * 1000)
        body = ClientBody(cycle, 1000)
        body.begin(60.0, 300.0)
        with pytest.raises(BodyTooLarge):
            async for _ in body:
                pass
        assert link.sent == 11

    run(main())


def test_silence_inside_a_body_is_an_upload_that_timed_out() -> None:
    async def main() -> None:
        body = body_of([chunk(b"a")], idle=7.0)
        before = clock().now()
        assert await anext(body) == b"a"
        with pytest.raises(UploadTimeout, match="silent"):
            await anext(body)
        assert clock().now() - before == pytest.approx(7.0)

    run(main())


def test_an_upload_without_an_end_times_out_though_it_never_falls_silent() -> None:
    async def main() -> None:
        body = body_of([chunk(b"a")] * 100, idle=7.0, upload=30.0, pause=2.0)
        before = clock().now()
        with pytest.raises(UploadTimeout, match="without an end"):
            [part async for part in body]
        assert clock().now() - before == pytest.approx(30.0)
        assert body.bytes_in in (14, 15)

    run(main())


def test_time_that_the_upstream_takes_is_no_part_of_the_upload() -> None:
    async def main() -> None:
        body = body_of([chunk(b"a")] * 10 + [chunk(more=False)], upload=15.0, pause=1.0)
        async for _ in body:
            await asyncio.sleep(100)
        assert body.bytes_in == 10

    run(main())


def test_a_body_says_when_its_last_byte_arrived_not_when_it_was_read() -> None:
    async def main() -> None:
        body = body_of([chunk(b"a"), chunk(b"b", more=False)], pause=1.0)
        assert await anext(body) == b"a"
        assert body.ended_ago is None
        assert await anext(body) == b"b"
        await asyncio.sleep(5)
        assert body.ended_ago == pytest.approx(5.0)

    run(main())


def test_a_slow_body_is_no_silence() -> None:
    async def main() -> None:
        messages = [chunk(b"a") for _ in range(10)] + [chunk(more=False)]
        body = body_of(messages, idle=7.0, pause=6.9)
        assert len([part async for part in body]) == 10

    run(main())


def test_time_that_the_upstream_takes_is_no_silence_of_the_client() -> None:
    async def main() -> None:
        body = body_of([chunk(b"a"), chunk(b"b", more=False)], idle=7.0, pause=1.0)
        assert await anext(body) == b"a"
        await asyncio.sleep(100)
        assert await anext(body) == b"b"

    run(main())


@pytest.mark.parametrize("before", [[], [chunk(b"a")], [chunk()]])
def test_a_client_that_leaves_inside_its_body(before: list[Piece]) -> None:
    async def main() -> None:
        body = body_of([*before, GONE])
        with pytest.raises(ClientGone):
            [part async for part in body]

    run(main())


@pytest.mark.parametrize("before", [[], [chunk(b"rest")], [chunk()]])
def test_a_broken_framing_is_never_the_end_of_a_body(before: list[Piece]) -> None:
    async def main() -> None:
        cycle, _ = arrived(framing=CHUNKED, pieces=before)
        cycle.break_body()
        body = ClientBody(cycle, 0)
        body.begin(60.0, 300.0)
        with pytest.raises(BadRequest):
            await anext(body)
        assert body.bytes_in == 0

    run(main())


def test_cancelling_a_read_is_no_timeout() -> None:
    async def main() -> None:
        task = asyncio.create_task(anext(body_of([])))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def taken(cycle: RequestResponseCycle, limit: int = 10) -> ClientRequest:
    """The request as the domain takes it."""
    request, body = to_client_request(cycle, limit)
    assert request.body is body
    return request


def test_the_target_is_what_was_on_the_wire() -> None:
    async def main() -> None:
        request = taken(arrived(b"/%41?b=%2e")[0])
        assert (request.method, request.target, request.body, request.length) == ("GET", b"/%41?b=%2e", None, None)
        assert (request.peer, request.scheme) == ("203.0.113.7", "https")

    run(main())


@pytest.mark.parametrize(
    ("framing", "has_body"), [(NO_BODY, False), (Framing(0), False), (Framing(10), True), (CHUNKED, True)]
)
def test_a_body_is_where_the_framing_says_one(framing: Framing, has_body: bool) -> None:
    async def main() -> None:
        request = taken(arrived(framing=framing)[0])
        assert (request.body is not None, request.length) == (has_body, framing.length)

    run(main())


@pytest.mark.parametrize(("framing", "ended"), [(CHUNKED, True), (CHUNKED, False), (NO_BODY, True)])
def test_only_a_chunked_body_that_is_known_to_be_empty_is_of_length_zero(framing: Framing, ended: bool) -> None:
    async def main() -> None:
        cycle, _ = arrived(framing=framing)
        if ended:
            cycle.feed_eof()
        request = taken(cycle)
        assert (request.body is None, request.length) == (ended, 0 if framing.chunked and ended else None)

    run(main())


def test_a_length_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    async def main() -> None:
        cycle, link = arrived(framing=Framing(11), pieces=[chunk(b"x" * 11, more=False)])
        with pytest.raises(BodyTooLarge):
            taken(cycle)
        assert link.sent == 0
        assert taken(cycle, limit=0).length == 11

    run(main())


HEADS: dict[str, tuple[str, bytes, Refusal | None, type[Refusal]]] = {
    "refused by the server": ("GET", b"/", HeadersTooLarge(), HeadersTooLarge),
    "a tunnel": ("CONNECT", b"a:443", None, MethodNotAllowed),
    "a trace": ("TRACE", b"/", None, MethodNotAllowed),
    "asterisk-form": ("OPTIONS", b"*", None, BadRequestTarget),
    "a dot segment": ("GET", b"/../", None, BadRequestTarget),
    "several": ("TRACE", b"/../", BadRequest(), BadRequest),
}


@pytest.mark.parametrize(("method", "target", "refusal", "expected"), HEADS.values(), ids=HEADS.keys())
@pytest.mark.parametrize("check", [check_head, taken])
def test_what_the_head_alone_is_refused_with(
    method: str,
    target: bytes,
    refusal: Refusal | None,
    expected: type[Refusal],
    check: Callable[[RequestResponseCycle], object],
) -> None:
    async def main() -> None:
        with pytest.raises(expected):
            check(arrived(target, method=method, refusal=refusal)[0])

    run(main())
