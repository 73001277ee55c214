"""Bodies of requests: every framing that a client may choose, and what the upstream gets of it."""

import asyncio

import pytest

from tests.integration.gateway.support_client import ask, chunked, request
from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in
from tests.integration.gateway.support_raw import SECONDS, Head, Line, read_head
from tests.integration.gateway.support_services import Seen, answer

EACH_PATH = {"test_no_body_gets_no_framing"}


def framing(seen: Seen) -> list[tuple[str, str]]:
    """The lines that frame a request."""
    return [(name, value) for name in ("content-length", "transfer-encoding") for value in seen.head.all(name)]


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
@pytest.mark.parametrize("size", [1, 5_000, 20_000, 300_000])
async def test_a_body_with_its_length(gateway: Gateway, town: Town, method: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    got = await gateway.ask(method=method, body=body[:size])
    assert got.status == 200
    assert framing(town.upstream.seen[-1]) == [("content-length", str(size))]
    assert town.upstream.seen[-1].body == body[:size]


@pytest.mark.parametrize("pieces", [[b"one"], [b"a" * 70_000, b"\r\n0\r\n\r\n", b"c"]])
async def test_a_chunked_body(gateway: Gateway, town: Town, pieces: list[bytes]) -> None:
    got = await gateway.ask(method="POST", body=pieces)
    assert got.status == 200
    assert framing(town.upstream.seen[-1]) == [("transfer-encoding", "chunked")]
    assert town.upstream.seen[-1].body == b"".join(pieces)


@pytest.mark.parametrize("body", [b"", []], ids=["length", "chunked"])
async def test_an_empty_body_has_a_length(gateway: Gateway, town: Town, body: bytes | list[bytes]) -> None:
    assert (await gateway.ask(method="POST", body=body)).status == 200
    assert framing(town.upstream.seen[-1]) == [("content-length", "0")]


async def test_no_body_gets_no_framing(gateway: Gateway, town: Town) -> None:
    assert (await gateway.ask()).status == 200
    assert framing(town.upstream.seen[-1]) == []


async def test_trailers_and_chunk_extensions_end_here(gateway: Gateway, town: Town) -> None:
    head = request(town.token(), "/", "transfer-encoding: chunked", "trailer: x-sum", method="POST")
    body = b"3;name=value\r\nabc\r\n0\r\nx-sum: 1\r\nx-wind-user-id: admin\r\nauthorization: Bearer x\r\n\r\n"
    async with gateway.connected() as client:
        assert (await client.ask(head + body)).status == 200
        assert (await client.ask(request(town.token()))).status == 200
    seen = town.upstream.seen[0]
    assert seen.body == b"abc"
    assert not [name for name in seen.head.names() if name in ("x-sum", "trailer")]
    assert seen.head.one("x-wind-user-id") != "admin"


async def test_a_body_byte_by_byte(gateway: Gateway, town: Town) -> None:
    data = request(town.token(), "/", method="POST", body=[b"slow", b"body"])
    async with gateway.connected() as client:
        for byte in data:
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.get()).status == 200
    assert town.upstream.seen[-1].body == b"slowbody"


async def test_the_upstream_gets_the_body_while_it_is_sent(gateway: Gateway, town: Town) -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def watch(head: Head, line: Line) -> None:
        for _ in range(3):
            arrived.put_nowait(await line.reader.readexactly(10_000))
        await line.send(answer(200))

    town.upstream.fault = watch
    async with gateway.connected() as client:
        client.send(request(town.token(), "/", "content-length: 30000", method="POST"))
        for piece in (b"a", b"b", b"c"):
            client.send(piece * 10_000)
            assert await asyncio.wait_for(arrived.get(), SECONDS) == piece * 10_000
        assert (await client.get()).status == 200


@pytest.mark.parametrize("kept", ["", "connection: keep-alive\r\n"])
async def test_an_old_client(gateway: Gateway, town: Town, kept: str) -> None:
    async def stream(head: Head, line: Line) -> None:
        await line.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"abc") + chunked(b"de"))
        await line.send(chunked(b""))

    data = request(town.token(), "/old", kept.rstrip() or "x-a: 1").replace(b"HTTP/1.1", b"HTTP/1.0")
    async with gateway.connected() as client:
        got = await client.ask(data)
        assert (got.status, got.head.one("content-length")) == (200, str(len(got.body)))
    assert town.upstream.seen[-1].head.first == b"GET /old HTTP/1.1"
    town.upstream.fault = stream
    async with gateway.connected() as client:
        got = await client.ask(data)
        assert not got.head.all("transfer-encoding")
        assert got.body == b"abcde"
        assert await client.at_end() == b""


@pytest.mark.parametrize("pieces", [[b"abc"], [b"abc", b"d" * 100_000]])
async def test_what_is_cut_does_not_look_whole_to_an_old_client(
    gateway: Gateway, town: Town, pieces: list[bytes]
) -> None:
    """Its body has no other end than that of the connection, and that end is no regular one."""

    async def cut(head: Head, line: Line) -> None:
        await line.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in pieces:
            await line.send(chunked(piece))
        line.reset()

    town.upstream.fault = cut
    async with gateway.connected() as client:
        client.send(request(town.token(), "/old").replace(b"HTTP/1.1", b"HTTP/1.0"))
        with pytest.raises(ConnectionResetError):
            assert (await client.get()).status == 200


async def test_expect_is_answered_here_and_goes_no_further(gateway: Gateway, town: Town) -> None:
    async with gateway.connected() as client:
        client.send(request(town.token(), "/", "Expect: 100-continue", "content-length: 4", method="PUT"))
        interim = await asyncio.wait_for(read_head(client.reader), SECONDS)
        assert (interim.first, interim.lines) == (b"HTTP/1.1 100 Continue", [])
        client.send(b"body")
        assert (await client.get()).status == 200
        assert (await client.ask(request(town.token()))).status == 200
    assert town.upstream.seen[0].body == b"body"
    assert not town.upstream.seen[0].head.all("expect")


async def test_expect_continue_is_refused_before_the_body(gateway: Gateway, town: Town) -> None:
    async with gateway.connected() as client:
        client.send(request("bad", "/", "expect: 100-continue", "content-length: 4", method="PUT"))
        got = await client.get()
        assert (got.status, got.interim) == (401, [])
        assert got.head.one("connection") == "close"


async def test_another_expectation_is_refused(gateway: Gateway) -> None:
    got = await gateway.ask("/", "expect: 200-maybe", method="PUT", body=b"x")
    assert got.status == 400


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway, town: Town) -> None:
    users = [f"user-{number}" for number in range(5)]
    batch = b"".join(
        request(town.token(town.person(user)), f"/{user}", method="POST", body=[user.encode()]) for user in users
    )
    async with gateway.connected() as client:
        client.send(batch)
        for user in users:
            assert (await client.get()).body == user.encode()
    assert [seen.body.decode() for seen in town.upstream.seen] == users


async def test_the_limit_of_a_body(town: Town) -> None:
    async with gateway_in(town, {"server": {"body_limit": "10KiB"}}) as gateway:
        assert (await gateway.ask(method="POST", body=b"x" * 10_240)).status == 200
        assert (await gateway.ask(method="POST", body=[b"x" * 10_240])).status == 200
        over = await gateway.ask(method="POST", body=b"x" * 10_241)
        assert (over.status, over.json()["reason"]) == (413, "body-too-large")
        calls = town.upstream.calls
        over = await gateway.ask(method="POST", body=[b"x" * 8_000, b"x" * 8_000])
        assert (over.status, over.json()["reason"]) == (413, "body-too-large")
        await town.upstream.server.until(lambda: town.upstream.server.open < town.upstream.server.connections)
        assert len([seen for seen in town.upstream.seen[calls:] if seen.body]) == 0


async def test_a_body_without_a_limit(town: Town) -> None:
    async with gateway_in(town, {"server": {"body_limit": "0"}}) as gateway:
        assert (await gateway.ask(method="POST", body=b"x" * 1_000_000)).status == 200
        assert len(town.upstream.seen[-1].body) == 1_000_000


BROKEN = {
    "chunk size": b"zz\r\nabc\r\n",
    "chunk end": b"3\r\nabcX",
    "negative": b"-1\r\nabc\r\n",
    "huge": b"fffffffffffffffffff\r\n",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
async def test_broken_chunks_never_become_a_request(gateway: Gateway, town: Town, body: bytes) -> None:
    smuggled = request(town.token(), "/smuggled")
    async with gateway.connected() as client:
        client.send(request(town.token(), "/", "transfer-encoding: chunked", method="POST") + body + smuggled)
        got = await client.get()
        assert (got.status, got.json()["reason"]) == (400, "bad-request")
        assert await client.at_end() == b""
    assert not [seen for seen in town.upstream.seen if b"/smuggled" in seen.head.first]


async def test_a_body_that_ends_too_early(gateway: Gateway, town: Town) -> None:
    async with gateway.connected() as client:
        client.send(request(town.token(), "/short", "content-length: 100", method="POST") + b"only this")
        client.writer.write_eof()
        assert await client.at_end() == b""
    line = await gateway.line(lambda line: line["status"] == 499)
    assert line["reason"] == "client-gone"
    assert not [seen for seen in town.upstream.seen if len(seen.body) == 100]
    assert (await ask(gateway.url, request(town.token()))).status == 200
