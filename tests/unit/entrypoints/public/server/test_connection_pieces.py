"""However the bytes of a client are cut into pieces, the same requests are in them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from tests.support_examples import times
from tests.unit.entrypoints.public.server.support_server import Harness, get, post

PARTS = [
    get("/a"),
    get("/b", "x-a: GET /z RTSP/1.0"),
    b"\r\n\r\n" + get("/c"),
    get("/old").replace(b"HTTP/1.1", b"HTTP/1.0"),
    get("/rtsp").replace(b"HTTP/1.1", b"RTSP/1.1"),
    b"\r\n\r\n\r\nOPTIONS  /HTTP/  RTSP/1.0\r\nhost: a\r\n\r\n",
    post("/d", b"POST /z RTSP/1.0\r\n\r\n"),
    get("/e", "transfer-encoding: chunked") + b"5;x=y\r\nhello\r\n0\r\nx-a: b\r\n\r\n",
    get("/f", "transfer-encoding: chunked") + b"5\r\nhello!!",
    post("/g", b"body", "connection: Upgrade, HTTP2-Settings", "upgrade: h2c"),
    get("/h", "transfer-encoding: gzip"),
    get("/i", "connection: close"),
    b"nonsense\r\n\r\n",
    b"GET /j HTTP/1.1\r\nx : y\r\n\r\n",
]
QUOTING = [
    get("/z", "x-a: GET /z RTSP/1.0"),
    post("/z", b"\r\nPOST /z RTSP/1.0\r\n\r\n"),
    b"\r\n" + get("/z", "x-a: GET /z RTSP/1.0").replace(b" /z ", b"   /z  ", 1),
]


async def outcome(pieces: list[bytes]) -> list[tuple[bytes, str, bytes | str]]:
    """What was asked for, what its head earned, and its body; at the end the heads that became no request."""
    found: list[tuple[bytes, str, bytes | str]] = []

    async def answer(cycle: RequestResponseCycle) -> None:
        body, more = b"", cycle.refusal is None
        while more and not cycle.broken:
            arrived, more = await cycle.receive()
            body += arrived
        found.append((cycle.target, _name(cycle.refusal), "broken" if cycle.broken else body))
        cycle.respond(200, [(b"content-length", b"0")], b"")

    harness = Harness(hold=answer)
    for piece in pieces:
        await harness.feed(piece)
    found += [(b"", _name(refusal), "") for refusal in harness.refused]
    return found


def _name(refusal: Exception | None) -> str:
    return "" if refusal is None else type(refusal).__name__


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """These bytes in pieces, the ends of which are at these places."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


@times(2)
@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4), st.lists(st.integers(0, 2000), max_size=12))
async def test_the_same_requests_however_they_are_cut(parts: list[bytes], at: list[int]) -> None:
    data = b"".join(parts)
    assert await outcome(cut(data, at)) == await outcome([data])


@given(st.sampled_from(QUOTING), st.lists(st.integers(0, 2000), max_size=12))
async def test_a_request_that_only_quotes_another_protocol_is_served(data: bytes, at: list[int]) -> None:
    ((target, refusal, _),) = await outcome(cut(data, at))
    assert (target, refusal) == (b"/z", "")
