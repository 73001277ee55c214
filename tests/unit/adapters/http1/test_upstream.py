"""One url: heads of requests byte by byte, what is noted of each attempt, and which one is sent again."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.http1.connection import Connection
from talaria.adapters.http1.errors import (
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    LocalProtocolError,
    PoolExhausted,
    ReadTimeout,
    RemoteProtocolError,
)
from talaria.adapters.http1.upstream import Http1Upstream, serialize_head
from talaria.domain.events import Attempt
from talaria.domain.http import Headers, UpstreamRequest, UpstreamResponse
from tests.unit.adapters.http1.support_http1 import Answer, Peer


class _Body:
    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


def _head(
    method: str = "GET",
    target: bytes = b"/a?b=%20",
    headers: Headers | None = None,
    *,
    body: bool = False,
    length: int | None = None,
) -> bytes:
    sent = UpstreamRequest(method, target, headers or [], _Body() if body else None, length, 1.0, 1.0)
    return serialize_head(sent, b"host: up:81")


def test_no_body_has_no_framing() -> None:
    headers = [(b"b", b"1"), (b"a", b"2"), (b"b", b"3")]
    assert _head(headers=headers) == b"GET /a?b=%20 HTTP/1.1\r\nhost: up:81\r\nb: 1\r\na: 2\r\nb: 3\r\n\r\n"


def test_no_headers() -> None:
    assert _head() == b"GET /a?b=%20 HTTP/1.1\r\nhost: up:81\r\n\r\n"


def test_an_empty_body_says_so() -> None:
    assert _head("POST", length=0).endswith(b"\r\ncontent-length: 0\r\n\r\n")


def test_a_body_of_known_length() -> None:
    assert _head("POST", body=True, length=12).endswith(b"\r\ncontent-length: 12\r\n\r\n")


def test_a_body_of_unknown_length_is_chunked() -> None:
    assert _head("PATCH", body=True).endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")


def test_an_unusual_method() -> None:
    assert _head("PROPFIND").startswith(b"PROPFIND /a?b=%20 HTTP/1.1\r\n")


@pytest.mark.parametrize("bad", [b"a\r\nx: y", b"a\nx: y", b"a\rx: y", b"\r", b"\n"])
def test_a_line_break_is_never_sent(bad: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="line break"):
        _head(headers=[(b"a", bad)])
    with pytest.raises(LocalProtocolError, match="line break"):
        _head(headers=[(bad, b"a")])
    with pytest.raises(LocalProtocolError, match="line break"):
        _head(target=b"/" + bad)


def test_a_target_with_a_space_is_never_sent() -> None:
    with pytest.raises(LocalProtocolError, match="line break"):
        _head(target=b"/a b")


def test_the_headers_of_the_caller_are_left_alone() -> None:
    headers = [(b"a", b"b")]
    _head("POST", headers=headers, length=0)
    assert headers == [(b"a", b"b")]


_BYTES = st.binary(max_size=12) | st.sampled_from([b"a", b"a\r\nb: c", b"/a HTTP/1.1\r\nx: y", b"\n", b" "])


@given(_BYTES.map(lambda path: b"/" + path), st.lists(st.tuples(_BYTES, _BYTES), max_size=4))
def test_what_is_sent_has_as_many_lines_as_it_should(target: bytes, headers: Headers) -> None:
    try:
        head = _head(target=target, headers=headers)
    except LocalProtocolError:
        return
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert lines == [b"GET " + target + b" HTTP/1.1", b"host: up:81", *(b": ".join(header) for header in headers)]
    assert head.count(b"\n") == head.count(b"\r") == len(headers) + 3


HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
PARTLY = HELLO[:20]


class Url:
    """A url with a peer in memory, and a clock that goes on by one second with each look at it."""

    def __init__(self, *connections: list[Answer] | BaseException, max_connections: int = 256) -> None:
        self.peer = Peer(*connections)
        ticks = itertools.count()
        self.client = Http1Upstream(
            "http://up", name="services", address="a", max_connections=max_connections, now=lambda: float(next(ticks))
        )
        self.client._pool._connect = self.peer

    async def send(self, method: str = "GET", **more: Any) -> tuple[list[str], UpstreamResponse | BaseException]:
        """The outcomes of the attempts, and what came of them."""
        body, length = more.pop("body", None), more.pop("length", None)
        sent = UpstreamRequest(method, b"/", [], body, length, 5.0, 5.0)
        (result,) = await asyncio.gather(self.client.send(sent, **more), return_exceptions=True)
        assert all((a.dependency, a.address, a.seconds > 0) == ("services", "a", True) for a in sent.attempts)
        return [attempt.outcome for attempt in sent.attempts], result


async def test_an_attempt_is_noted_with_its_time() -> None:
    url = Url([HELLO])
    sent = UpstreamRequest("GET", b"/", [], None, None, 5.0, 5.0)
    response = await url.client.send(sent)
    assert sent.attempts == [Attempt("services", 0.0, 1.0, "ok", "a")]
    assert (response.complete_body, url.client.in_flight) == (b"hello", 0)
    assert url.peer.written == [b"GET / HTTP/1.1\r\nhost: up\r\n\r\n"]


@pytest.mark.parametrize(("status", "outcome"), [(200, "ok"), (499, "ok"), (500, "500"), (503, "503")])
async def test_a_status_from_500_on_is_an_outcome(status: int, outcome: str) -> None:
    outcomes, _ = await Url([b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status]).send()
    assert outcomes == [outcome]


@pytest.mark.parametrize(
    ("connection", "outcome", "error"),
    [
        (ConnectError("refused"), "connect", ConnectError),
        (TimeoutError(), "connect", ConnectTimeout),
        (PoolExhausted("no socket"), "overloaded", PoolExhausted),
        ([b"nonsense\r\n\r\n"], "bad-answer", RemoteProtocolError),
        ([None], "broken", ConnectionClosed),
        ([], "timeout", ReadTimeout),
    ],
)
async def test_a_failure_is_noted_and_leaves_nothing(
    connection: list[Answer] | BaseException, outcome: str, error: type[BaseException]
) -> None:
    url = Url(connection)
    outcomes, result = await url.send("GET", timeout=0.01)
    assert (outcomes, type(result), url.client.in_flight) == ([outcome], error, 0)


async def test_what_the_body_raises_is_the_clients() -> None:
    async def broken() -> AsyncIterator[bytes]:
        raise KeyError("own")
        yield b""

    outcomes, result = await Url([]).send("POST", body=broken(), length=3)
    assert (outcomes, type(result)) == (["client"], KeyError)


async def test_being_cancelled_is_noted_too() -> None:
    url = Url([])
    sent = UpstreamRequest("GET", b"/", [], None, None, 5.0, 5.0)
    sending = asyncio.ensure_future(url.client.send(sent))
    await asyncio.sleep(0)
    assert url.client.in_flight == 1
    sending.cancel()
    await asyncio.wait([sending])
    assert ([attempt.outcome for attempt in sent.attempts], url.client.in_flight) == (["cancelled"], 0)


async def test_bodies_of_bytes_and_of_pieces() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c"

    url = Url([HELLO, HELLO, None, None, HELLO])
    await url.send("POST", body=b"abc", length=3)
    await url.send("POST", body=pieces(), length=3)
    head = b"POST / HTTP/1.1\r\nhost: up\r\ncontent-length: 3\r\n\r\n"
    assert url.peer.written[0].startswith(head + b"abc" + head)


@pytest.mark.parametrize(
    ("method", "body", "outcomes"),
    [
        ("GET", None, ["broken", "ok"]),
        ("PUT", None, ["broken", "ok"]),
        ("PUT", b"abc", ["broken", "ok"]),
        ("POST", None, ["broken"]),
        ("POST", b"abc", ["broken"]),
    ],
)
async def test_a_kept_connection_that_was_closed_costs_a_second_attempt_where_that_is_safe(
    method: str, body: bytes | None, outcomes: list[str]
) -> None:
    url = Url([HELLO, None], [HELLO])
    await url.send()
    assert (await url.send(method, body=body, length=None if body is None else 3))[0] == outcomes
    assert len(url.peer.transports) == len(outcomes)
    assert url.client.in_flight == 0


@pytest.mark.parametrize("connections", [([None], [HELLO]), ([HELLO, PARTLY, None], [HELLO])])
async def test_a_new_connection_and_a_response_that_had_begun_are_not_tried_again(
    connections: tuple[list[Answer], list[Answer]],
) -> None:
    url = Url(*connections)
    if len(connections[0]) > 1:
        await url.send()
    sending = asyncio.ensure_future(url.send())
    for _ in range(10):
        await asyncio.sleep(0)
    if not sending.done() and url.peer.transports[0].connection is not None:
        url.peer.transports[0].connection.eof_received()
    assert (await sending)[0] == ["broken"]
    assert len(url.peer.transports) == 1


async def test_the_second_attempt_goes_by_a_new_connection_though_another_is_idle() -> None:
    url = Url([HELLO], [HELLO, None], [HELLO])
    await asyncio.gather(url.send(), url.send())
    assert (await url.send())[0] == ["broken", "ok"]
    assert len(url.peer.transports) == 3


async def test_connecting_may_have_a_time_of_its_own() -> None:
    async def hang(*_: object) -> Connection:
        await asyncio.Event().wait()
        raise AssertionError

    url = Url()
    url.client._pool._connect = hang
    outcomes, result = await url.send(connect_timeout=0.01)
    assert (outcomes, type(result)) == (["connect"], ConnectTimeout)


async def test_after_the_closing_nothing_is_sent() -> None:
    url = Url([HELLO])
    await url.send()
    await url.client.aclose()
    assert url.peer.transports[0].ended == "closed"
    assert type((await url.send())[1]) is ConnectError
