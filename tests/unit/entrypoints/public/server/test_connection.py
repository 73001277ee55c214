"""What a client's connection makes of the bytes that come: framing, limits, offers, and the order of the answers."""

import pytest

from talaria.domain.errors import BadRequest, HeadersTooLarge, TargetTooLong
from talaria.entrypoints.public.server.cycle import Cycle
from tests.unit.entrypoints.public.server.support_server import Door, get, post, settled

UPGRADE = ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk"]


async def body_of(cycle: Cycle) -> bytes:
    """All of it."""
    body, more = b"", True
    while more:
        piece, more = await cycle.receive()
        body += piece
    return body


async def test_a_malformed_head_behind_an_answer_that_is_not_flushed_yet_comes_after_it() -> None:
    door = Door()
    await door.feed(get("/"))
    door.began[0].respond(200, [], b"good")
    door.connection.data_received(b"\x00nonsense\r\n\r\n")
    await settled()
    assert door.transport.written.endswith(b"good<refused>")
    assert door.transport.finished


async def test_a_malformed_head_costs_no_other_connection_its_answer() -> None:
    door, other = Door(), Door()
    other.connection.outbox = door.outbox  # as those of one listener
    await door.feed(get("/"))
    await other.feed(get("/"))
    door.began[0].respond(200, [], b"")
    other.began[0].respond(200, [], b"mine")
    door.connection.data_received(b"\x00nonsense\r\n\r\n")
    await settled()
    assert other.transport.written.endswith(b"mine")


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (("::ffff:203.0.113.7", 4711), "203.0.113.7"),
        (("203.0.113.7", 4711), "203.0.113.7"),
        (("2001:db8::7", 4711), "2001:db8::7"),
    ],
)
async def test_an_ipv4_client_of_a_listener_for_both_families_is_one_of_ipv4(
    name: tuple[str, int], peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.protocols.http.httptools_impl.get_remote_addr", lambda transport: name)
    door = Door()
    assert door.connection.peer == peer


class Weighed(bytes):
    """Counts how often its length is asked for."""

    asked = 0

    def __len__(self) -> int:
        Weighed.asked += 1
        return super().__len__()


async def test_a_body_in_many_small_pieces_costs_no_more_than_its_pieces() -> None:
    door = Door()
    await door.feed(get("/", "transfer-encoding: chunked"))
    Weighed.asked = 0
    for _ in range(500):
        door.began[0].feed(Weighed(b"xy"))
    assert Weighed.asked <= 5 * 500
    assert await door.began[0].receive() == (b"xy" * 500, True)
    assert door.began[0].feed(b"z") == 1


def in_chunks(target: str, *lines: str) -> bytes:
    """The same request as `post`, but chunked."""
    head = get(target, "transfer-encoding: chunked", *lines).replace(b"GET", b"POST", 1)
    return head + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


OFFERS = {"by length": post("/", b"hello", *UPGRADE), "chunked": in_chunks("/", *UPGRADE)}


@pytest.mark.parametrize("data", OFFERS.values(), ids=OFFERS.keys())
@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_an_offer_to_upgrade_costs_no_request_its_body(data: bytes, step: int) -> None:
    door = Door()
    await door.feed(*[data[at : at + step] for at in range(0, len(data), step)])
    assert await body_of(door.began[0]) == b"hello"
    await door.answer()
    assert b"connection: close\r\n" in door.transport.written
    assert door.transport.finished


@pytest.mark.parametrize("data", OFFERS.values(), ids=OFFERS.keys())
@pytest.mark.parametrize("behind", [post("/2", b"more"), in_chunks("/2"), b"\x00nonsense\r\n\r\n"])
async def test_what_comes_behind_an_offer_to_upgrade_is_no_part_of_its_body(data: bytes, behind: bytes) -> None:
    door = Door()
    await door.feed(data + behind)
    assert await body_of(door.began[0]) == b"hello"
    await door.answer()
    assert (len(door.began), door.refused, door.transport.finished) == (1, [], True)


async def test_an_offer_to_upgrade_without_a_body_is_the_last_request() -> None:
    door = Door()
    await door.feed(get("/", *UPGRADE) + get("/2"))
    assert await body_of(door.began[0]) == b""
    await door.answer()
    assert (door.targets, door.transport.finished) == ([b"/"], True)


LONG = {
    "a header over it": (get("/", "x-a: " + "a" * 1400), HeadersTooLarge),
    "many headers over it": (get("/", *["x-a: b"] * 200), HeadersTooLarge),
    "a target over it": (get("/" + "a" * 1400), TargetTooLong),
    "a head that fits": (get("/", "x-a: " + "a" * 900), type(None)),
}


@pytest.mark.parametrize(("behind", "earned"), LONG.values(), ids=LONG.keys())
@pytest.mark.parametrize("at", [1, 500, 950])
async def test_the_limit_of_a_head_that_begins_behind_another_request(
    behind: bytes, earned: type[object], at: int
) -> None:
    door = Door()
    await door.feed(get("/first") + behind[:at])
    await door.answer()
    await door.feed(*[behind[at:][begin : begin + 900] for begin in range(0, len(behind) - at, 900)])
    refusals = [*door.refused, *[cycle.refusal for cycle in door.began[1:]]]
    assert [type(refusal) for refusal in refusals] == [earned]


async def test_empty_lines_without_end_are_no_head() -> None:
    door = Door()
    await door.feed(get("/"))
    await door.answer()
    await door.feed(*[b"\r\n" * 10_000] * 5)
    assert [type(refusal) for refusal in door.refused] == [BadRequest]
    assert door.transport.written.endswith(b"<refused>")
    assert door.transport.finished


async def test_some_empty_lines_are_nothing() -> None:
    door = Door()
    await door.feed(get("/"))
    await door.answer()
    await door.feed(b"\r\n" * 100, get("/2"))
    assert (door.targets, door.refused) == ([b"/", b"/2"], [])


ANOTHER = {
    "RTSP/1.0": b"GET / RTSP/1.0\r\nhost: a\r\n\r\n",
    "RTSP/1.1": b"GET / RTSP/1.1\r\nhost: a\r\n\r\n",
    "RTSP behind empty lines": b"\r\n\r\nOPTIONS /x RTSP/1.1\r\nhost: a\r\n\r\n",
    "RTSP behind empty lines, and a target that looks well": b"\r\n\r\n\r\nGET /HTTP/ RTSP/1.1\r\nhost: a\r\n\r\n",
    "RTSP behind spaces": b"GET   /x    RTSP/1.0\r\nhost: a\r\n\r\n",
    "a method of RTSP": b"DESCRIBE /x RTSP/1.0\r\nhost: a\r\n\r\n",
    "ICE": b"SOURCE / ICE/1.1\r\nhost: a\r\n\r\n",
    "RTSP that speaks of HTTP": get("/x", "a: GET /x HTTP/1.1").replace(b" HTTP", b" RTSP", 1),
}


@pytest.mark.parametrize("data", ANOTHER.values(), ids=ANOTHER.keys())
@pytest.mark.parametrize("step", [1, 11, 20, 1000])
@pytest.mark.parametrize("before", [b"", get("/before")])
async def test_another_protocol_is_refused_however_it_comes(data: bytes, step: int, before: bytes) -> None:
    door = Door()
    data = before + data
    for at in range(0, len(data), step):
        await door.feed(data[at : at + step])
        if before and door.targets == [b"/before"] and not door.began[0].response_complete:
            await door.answer()
    assert [type(cycle.refusal) for cycle in door.began] == [type(None)] * bool(before) + [BadRequest]
    assert not door.began[-1].keep_alive


SPEAKS_OF_IT = {
    "a header": get("/x", "a: GET /x RTSP/1.0"),
    "a body": post("/x", b"POST /x RTSP/1.0\r\n"),
    "empty lines": b"\r\n\r\n" + get("/x", "user-agent: a RTSP/1.0 ICE/1.0"),
    "spaces": get("/x", "a:  RTSP/1.0").replace(b" /x ", b"  /x  "),
}


@pytest.mark.parametrize("data", SPEAKS_OF_IT.values(), ids=SPEAKS_OF_IT.keys())
@pytest.mark.parametrize("step", [1, 11, 1000])
async def test_a_request_that_only_speaks_of_another_protocol_is_served(data: bytes, step: int) -> None:
    door = Door()
    for at in range(0, len(data), step):
        await door.feed(data[at : at + step])
    assert [cycle.refusal for cycle in door.began] == [None]
