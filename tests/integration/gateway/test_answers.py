"""Answers of the upstream: every framing, the bodyless ones, interim ones, header by header, and broken ones."""

import asyncio

import pytest

from tests.integration.gateway.support_client import chunked, request
from tests.integration.gateway.support_gateway import Gateway, Town
from tests.integration.gateway.support_raw import Head, Line
from tests.integration.gateway.support_services import SERVICES_API_KEY, Fault, answer

EACH_PATH = {
    "test_by_length",
    "test_an_unknown_user_is_exchanged_again_once",
    "test_bytes_after_an_answer_are_no_response",
}

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def whole(data: bytes) -> Fault:
    """The upstream sends these bytes and keeps the connection open."""

    async def send(head: Head, line: Line) -> None:
        await line.send(data)

    return send


def last(data: bytes) -> Fault:
    """The upstream sends these bytes and closes."""

    async def send(head: Head, line: Line) -> None:
        await line.send(data)
        raise EOFError

    return send


async def test_by_length(gateway: Gateway, town: Town) -> None:
    town.upstream.fault = whole(b"HTTP/1.1 200 Fine\r\ncontent-length: 5\r\n\r\nhello")
    got = await gateway.ask()
    assert (got.status, got.body, got.head.one("content-length")) == (200, b"hello", "5")
    assert not got.head.all("transfer-encoding")


async def test_chunked(gateway: Gateway, town: Town) -> None:
    town.upstream.fault = whole(CHUNKED + chunked(b"hel") + b"2;x=y\r\nlo\r\n" + b"0\r\nx-trailer: 1\r\n\r\n")
    async with gateway.connected() as client:
        for _ in range(2):
            got = await client.ask(request(town.token()))
            assert (got.status, got.body) == (200, b"hello")
            assert not got.head.all("x-trailer")
    assert town.upstream.server.connections == 1


async def test_until_close(gateway: Gateway, town: Town) -> None:
    town.upstream.fault = last(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n" + b"x" * 100_000)
    async with gateway.connected() as client:
        for _ in range(2):
            got = await client.ask(request(town.token()))
            assert (got.status, got.body) == (200, b"x" * 100_000)
            assert got.head.one("transfer-encoding") == "chunked"


async def test_of_an_old_server(gateway: Gateway, town: Town) -> None:
    town.upstream.fault = last(b"HTTP/1.0 200 OK\r\n\r\nold")
    got = await gateway.ask()
    assert (got.head.first[:12], got.body) == (b"HTTP/1.1 200", b"old")


@pytest.mark.parametrize("length", ["content-length: 1234", "transfer-encoding: chunked", "x-a: 1"])
async def test_to_a_head_request(gateway: Gateway, town: Town, length: str) -> None:
    town.upstream.fault = whole(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
    async with gateway.connected() as client:
        for _ in range(2):
            got = await client.ask(request(town.token(), method="HEAD"))
            assert got.status == 200
            assert got.head.all("content-length") == (["1234"] if "1234" in length else [])
        town.upstream.fault = None
        assert (await client.ask(request(town.token()))).status == 200
    assert town.upstream.server.connections == 1


@pytest.mark.parametrize(("status", "line"), [(204, "etag: x"), (304, "etag: x"), (304, "content-length: 99")])
async def test_without_a_body(gateway: Gateway, town: Town, status: int, line: str) -> None:
    town.upstream.fault = whole(f"HTTP/1.1 {status} None\r\n{line}\r\n\r\n".encode())
    async with gateway.connected() as client:
        for _ in range(2):
            got = await client.ask(request(town.token()))
            assert got.status == status
            name, _, value = line.partition(": ")
            assert got.head.one(name) == value
            assert not got.head.all("transfer-encoding")
        town.upstream.fault = None
        assert (await client.ask(request(town.token()))).status == 200


@pytest.mark.parametrize("status", [200, 201, 299, 302, 404, 418, 429, 451, 500, 503, 599])
async def test_the_status_is_passed_on(gateway: Gateway, town: Town, status: int) -> None:
    town.upstream.fault = whole(answer(status, b"as it is", "location: /elsewhere"))
    got = await gateway.ask()
    assert (got.status, got.body) == (status, b"as it is")
    assert got.head.one("location") == "/elsewhere"
    line = await gateway.line(lambda line: line["status"] == status)
    assert line["origin"] == "upstream"
    assert line["reason"] == ""


async def test_interim_answers_are_no_answer(gateway: Gateway, town: Town) -> None:
    interim = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    )
    town.upstream.fault = whole(interim + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    async with gateway.connected() as client:
        for method in ("GET", "GET", "POST"):
            got = await client.ask(request(town.token(), method=method))
            assert (got.status, got.body) == (200, b"ok")
            assert not got.head.all("link")


async def test_headers_keep_their_order_and_number(gateway: Gateway, town: Town) -> None:
    lines = ["Set-Cookie: a=1; Path=/", "X-B: 2", "Set-Cookie: b=2", "x-b: ", 'ETag: W/"x"', "Vary: a, b", "vary: c"]
    more = ["Server: their-own/1", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "X_Under: kept", "X-Latin: \xe9"]
    town.upstream.fault = whole(answer(200, b"ok", *lines, *more))
    got = await gateway.ask()
    ours = ("x-request-id", "content-length")
    came = [f"{n.decode().lower()}: {v.decode('latin-1')}" for n, v in got.head.lines if n.decode().lower() not in ours]
    assert came == [line.partition(":")[0].lower() + ":" + line.partition(":")[2] for line in [*lines, *more]]


async def test_what_is_added_and_taken_away(gateway: Gateway, town: Town) -> None:
    async def tell_everything(head: Head, line: Line) -> None:
        token = head.one("authorization")
        secret = [
            f"Authorization: {token}", f"x-echo: {token}", f"X-Api-Key: {SERVICES_API_KEY}", f"x-e: {SERVICES_API_KEY}",
            "X-Wind-User-Id: user-42", "X_Wind_User_Id: user-42", "X-Talaria-Anything: 1", "X-Request-Id: theirs",
            "Keep-Alive: timeout=1", "Proxy-Connection: x", "Upgrade: h2c", "Trailer: x", "TE: x", "X-Named: 1",
        ]  # fmt: skip
        await line.send(answer(200, b"ok", "Connection: X-Named, keep-alive", *secret, "x-kept: 1"))

    town.upstream.fault = tell_everything
    got = await gateway.ask("/", "x-request-id: mine")
    assert sorted(got.head.names()) == ["content-length", "date", "x-kept", "x-request-id"]
    assert got.head.one("x-request-id") == "mine"
    assert got.head.one("date").endswith(" GMT")


async def test_an_unknown_user_is_exchanged_again_once(gateway: Gateway, town: Town) -> None:
    person = town.person("user-old")
    await gateway.ask(token=town.token(person))
    town.wind.users[town.personal.phones[person]] = "user-new"
    town.upstream.faults = [answer(404, b"unknown", "x-talaria-unknown-user: 1")]
    got = await gateway.ask("/again", "x-request-id: healed", token=town.token(person))
    assert (got.status, got.body) == (200, b"user-new")
    assert (await gateway.line(lambda line: line["request_id"] == "healed"))["healed"] is True
    town.upstream.faults = [answer(410, b"unknown", "x-talaria-unknown-user: 1")]
    got = await gateway.ask("/with-body", method="POST", body=b"x", token=town.token(person))
    assert (got.status, got.body) == (410, b"unknown")
    assert not got.head.all("x-talaria-unknown-user")
    asked = town.wind.asked.count(town.personal.phones[person])
    assert (await gateway.ask(token=town.token(person))).status == 200
    assert town.wind.asked.count(town.personal.phones[person]) == asked + 1


async def test_an_answer_before_the_end_of_the_upload(gateway: Gateway, town: Town) -> None:
    town.upstream.fault = last(b"HTTP/1.1 413 Too Much\r\ncontent-length: 4\r\nconnection: close\r\n\r\nstop")
    async with gateway.connected() as client:
        client.send(request(town.token(), "/", "content-length: 50000000", method="POST") + b"x" * 100_000)
        got = await client.get()
        assert (got.status, got.body, got.head.one("connection")) == (413, b"stop", "close")


CUT = {
    "length": (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", b"part"),
    "chunks": (CHUNKED, chunked(b"part")),
    "in a chunk": (CHUNKED, b"10\r\npart"),
    "bad chunk": (CHUNKED + chunked(b"part"), b"zz\r\n"),
}


@pytest.mark.parametrize("data", CUT.values(), ids=CUT.keys())
async def test_a_body_that_is_cut_is_never_passed_off_as_whole(
    gateway: Gateway, town: Town, data: tuple[bytes, bytes]
) -> None:
    begun = asyncio.Event()

    async def cut(head: Head, line: Line) -> None:
        await line.send(data[0])
        await begun.wait()
        await line.send(data[1])
        raise EOFError

    town.upstream.fault = cut
    async with gateway.connected() as client:
        client.send(request(town.token(), "/", "x-request-id: cut"))
        got = await client.head()
        begun.set()
        rest = await client.at_end()
        assert not rest.endswith(b"0\r\n\r\n")
        assert len(rest) < 100
        assert got.status == 200
    line = await gateway.line(lambda line: line["request_id"] == "cut")
    assert line["origin"] == "upstream"
    assert line["reason"] in ("upstream-unreachable", "upstream-bad-answer")


async def test_bytes_after_an_answer_are_no_response(gateway: Gateway, town: Town) -> None:
    extra = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
    town.upstream.faults = [whole(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + extra)]
    assert (await gateway.ask()).body == b"ok"
    person = town.person("user-next")
    assert (await gateway.ask(token=town.token(person))).body == b"user-next"
    assert town.upstream.server.connections == 2
