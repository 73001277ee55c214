"""Methods that the parser does not know, wherever they come: 501, and what is no request line: 400."""

import pytest

from talaria.domain.errors import BadRequest, MethodNotImplemented
from talaria.domain.routing import ANY_METHOD
from tests.unit.entrypoints.public.server.support_server import Harness, get, post

UNKNOWN = [b"LIST", b"UPDATE", b"VERSION-CONTROL", b"FLUSH", b"DESCRIBE", b"get", b"GETX", b"Post", b"brew!"]
NO_METHOD = [
    b"\x16\x03\x01",
    b"G@T / HTTP/1.1\r\n",
    b"LIST\r\n",
    b" / HTTP/1.1\r\n",
    b"PROXY TCP4 1 2\r\n",
    b"X / HTTP/3.1\r\n",
]


@pytest.mark.parametrize("method", UNKNOWN)
@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("before", [b"", b"\r\n"])
async def test_a_method_that_the_parser_does_not_know(method: bytes, step: int, before: bytes) -> None:
    harness = Harness()
    data = before + get("/x").replace(b"GET", method, 1)
    await harness.feed(*[data[at : at + step] for at in range(0, len(data), step)])
    assert [type(refusal) for refusal in harness.refused] == [MethodNotImplemented]
    assert (harness.began, harness.transport.finished) == ([], True)


@pytest.mark.parametrize("data", NO_METHOD)
@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_what_is_no_request_line_is_malformed(data: bytes, step: int) -> None:
    harness = Harness()
    await harness.feed(*[data[at : at + step] for at in range(0, len(data), step)])
    assert [type(refusal) for refusal in harness.refused] == [BadRequest]


@pytest.mark.parametrize("step", [100, 10_000])
async def test_a_method_without_an_end_is_malformed_at_the_limit(step: int) -> None:
    harness = Harness()
    data = b"X" * 2000
    await harness.feed(*[data[at : at + step] for at in range(0, len(data), step)])
    assert [type(refusal) for refusal in harness.refused] == [BadRequest]


async def test_an_unknown_method_on_a_kept_connection() -> None:
    harness = Harness()
    await harness.feed(get("/"))
    await harness.answer()
    await harness.feed(get("/x").replace(b"GET", b"LIST", 1))
    assert [type(refusal) for refusal in harness.refused] == [MethodNotImplemented]


BEFORE = {
    "a request": get("/"),
    "several": get("/1") + get("/2") + get("/3"),
    "empty lines": get("/") + b"\r\n\r\n",
    "a body": post("/", b"abc"),
    "a body with an empty line": post("/", b"a\r\n\r\n"),
    "a chunked body": get("/", "transfer-encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("method", UNKNOWN)
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
async def test_an_unknown_method_behind_another_request_in_one_piece(method: bytes, before: bytes) -> None:
    harness = Harness()
    await harness.feed(before + get("/x").replace(b"GET", method, 1))
    while not harness.connection.is_idle:
        await harness.answer()
    assert [type(refusal) for refusal in harness.refused] == [MethodNotImplemented]


@pytest.mark.parametrize("pieces", [(b"LI", b"ST / HTTP/1.1\r\n"), (b"GE", b"TX / HTTP/1.1\r\n")])
async def test_one_that_comes_in_two_of_which_the_first_may_be_known(pieces: tuple[bytes, bytes]) -> None:
    harness = Harness()
    await harness.feed(get("/") + pieces[0])
    await harness.answer()
    await harness.feed(pieces[1])
    assert [type(refusal) for refusal in harness.refused] == [MethodNotImplemented]


async def test_surplus_behind_a_body_is_malformed_at_once() -> None:
    harness = Harness()
    await harness.feed(post("/", b"abc") + b"defg")
    await harness.answer()
    assert [type(refusal) for refusal in harness.refused] == [BadRequest]


@pytest.mark.parametrize("data", [line for line in NO_METHOD if line != b"LIST\r\n"])
async def test_what_is_no_request_line_behind_another_request_is_malformed(data: bytes) -> None:
    harness = Harness()
    await harness.feed(get("/") + data)
    await harness.answer()
    assert [type(refusal) for refusal in harness.refused] == [BadRequest]


@pytest.mark.parametrize("method", sorted(ANY_METHOD))
async def test_every_method_that_the_parser_knows_passes_as_it_is(method: str) -> None:
    harness = Harness()
    await harness.feed(get("/x").replace(b"GET", method.encode(), 1))
    assert [(cycle.method, cycle.refusal) for cycle in harness.began] == [(method, None)]
