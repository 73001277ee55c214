"""What a client's connection makes of the bytes that come: framing, limits, offers, and the order of the answers."""

import asyncio

import pytest

from talaria.domain.errors import BadRequest, HeadersTooLarge, TargetTooLong
from talaria.entrypoints.public.server.connection import ListenerState
from talaria.entrypoints.public.server.cycle import RequestResponseCycle
from talaria.entrypoints.public.server.pipeline import MAX_QUEUED
from tests.unit.entrypoints.public.server.support_server import Harness, get, post, settled

UPGRADE = ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk"]


async def body_of(cycle: RequestResponseCycle) -> bytes:
    """All of it."""
    body, more = b"", True
    while more:
        piece, more = await cycle.receive()
        body += piece
    return body


async def test_a_peer_that_is_not_admitted_is_closed_unread() -> None:
    asked: list[str] = []

    def admit(peer: str) -> bool:
        asked.append(peer)
        return False

    harness = Harness(state=ListenerState(admit), peername=("::ffff:192.0.2.1", 1))
    assert (asked, harness.aborted, harness.state.connections) == (["192.0.2.1"], True, set())
    harness.connection.data_received(get("/"))
    harness.connection.connection_lost(None)
    await settled()
    assert (harness.began, harness.transport.written) == ([], b"")


async def test_a_malformed_head_behind_an_answer_that_is_not_flushed_yet_comes_after_it() -> None:
    harness = Harness()
    await harness.feed(get("/"))
    harness.began[0].respond(200, [], b"good")
    harness.connection.data_received(b"\x00nonsense\r\n\r\n")
    await settled()
    assert harness.transport.written.endswith(b"good<refused>")
    assert harness.transport.finished


async def test_a_malformed_head_costs_no_other_connection_its_answer() -> None:
    harness = Harness()
    other = Harness(state=harness.state)
    await harness.feed(get("/"))
    await other.feed(get("/"))
    harness.began[0].respond(200, [], b"")
    other.began[0].respond(200, [], b"mine")
    harness.connection.data_received(b"\x00nonsense\r\n\r\n")
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
async def test_an_ipv4_client_of_a_listener_for_both_families_is_one_of_ipv4(name: tuple[str, int], peer: str) -> None:
    assert Harness(peername=name).connection.peer == peer


@pytest.mark.parametrize(("tls", "scheme"), [(None, "http"), (object(), "https")])
async def test_the_scheme_is_the_one_that_the_client_used(tls: object, scheme: str) -> None:
    harness = Harness(sslcontext=tls)
    await harness.feed(get("/"))
    assert harness.began[0].scheme == scheme


class Weighed(bytes):
    """Counts how often its length is asked for."""

    asked = 0

    def __len__(self) -> int:
        Weighed.asked += 1
        return super().__len__()


async def test_a_body_in_many_small_pieces_costs_no_more_than_its_pieces() -> None:
    harness = Harness()
    await harness.feed(get("/", "transfer-encoding: chunked"))
    Weighed.asked = 0
    for _ in range(500):
        harness.began[0].feed(Weighed(b"xy"))
    assert Weighed.asked <= 5 * 500
    assert await harness.began[0].receive() == (b"xy" * 500, True)
    assert harness.began[0].feed(b"z") == 1


def in_chunks(target: str, *lines: str) -> bytes:
    """The same request as `post`, but chunked."""
    head = get(target, "transfer-encoding: chunked", *lines).replace(b"GET", b"POST", 1)
    return head + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


OFFERS = {"by length": post("/", b"hello", *UPGRADE), "chunked": in_chunks("/", *UPGRADE)}


@pytest.mark.parametrize("data", OFFERS.values(), ids=OFFERS.keys())
@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_an_offer_to_upgrade_costs_no_request_its_body(data: bytes, step: int) -> None:
    harness = Harness()
    await harness.feed(*[data[at : at + step] for at in range(0, len(data), step)])
    assert await body_of(harness.began[0]) == b"hello"
    await harness.answer()
    assert b"connection: close\r\n" not in harness.transport.written
    assert (harness.transport.finished, harness.transport.ended) == (False, "")


FIRST = [(get("/", *UPGRADE), b""), (post("/", b"", *UPGRADE), b""), *[(data, b"hello") for data in OFFERS.values()]]
SECOND = [(post("/2", b"more"), b"more"), (in_chunks("/2"), b"hello"), (post("/2", b"m", *UPGRADE), b"m")]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_an_offer_to_upgrade_is_ignored_and_the_connection_is_kept(
    first: tuple[bytes, bytes], second: tuple[bytes, bytes], step: int
) -> None:
    async def hold(cycle: RequestResponseCycle) -> None:
        bodies.append(await body_of(cycle))
        cycle.respond(200, [], b"")

    bodies: list[bytes] = []
    harness = Harness(hold=hold)
    data = first[0] + second[0] + get("/last")
    await harness.feed(*[data[at : at + step] for at in range(0, len(data), step)])
    assert (harness.targets, harness.refused) == ([b"/", b"/2", b"/last"], [])
    assert bodies == [first[1], second[1], b""]
    assert (harness.transport.finished, harness.transport.ended) == (False, "")


@pytest.mark.parametrize("data", OFFERS.values(), ids=OFFERS.keys())
async def test_what_is_malformed_behind_an_offer_to_upgrade_is_refused_behind_its_response(data: bytes) -> None:
    harness = Harness()
    await harness.feed(data + b"\x00nonsense\r\n\r\n")
    assert await body_of(harness.began[0]) == b"hello"
    await harness.answer()
    assert ([type(refusal) for refusal in harness.refused], harness.transport.finished) == ([BadRequest], True)


async def test_a_flood_of_offers_to_upgrade_is_a_pipeline_like_any_other() -> None:
    harness = Harness()
    await harness.feed(get("/", *UPGRADE) * 2000)
    for _ in range(MAX_QUEUED + 1):
        await harness.answer()
    assert (len(harness.began), harness.transport.finished) == (MAX_QUEUED + 1, True)


async def test_what_comes_behind_a_tunnel_is_never_read() -> None:
    harness = Harness()
    await harness.feed(b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n" + get("/2"))
    await harness.answer()
    assert (harness.targets, harness.refused, harness.transport.finished) == ([b"a:1"], [], True)


@pytest.mark.parametrize("behind", [get("/2"), b"\x00nonsense\r\n\r\n", b"\r\n"])
async def test_nothing_behind_the_last_request_of_a_connection_is_read(behind: bytes) -> None:
    harness = Harness()
    await harness.feed(get("/", "connection: close") + behind)
    await harness.answer()
    assert (harness.targets, harness.refused) == ([b"/"], [])
    lingers = behind != b"\r\n"  # so that unread bytes make no reset of the response
    assert (harness.transport.finished, harness.transport.ended) == (lingers, "" if lingers else "closed")


@pytest.mark.parametrize(("begun", "refusal"), [("/", TargetTooLong), ("/ HTTP/1.1\r\nx-a: ", HeadersTooLarge)])
async def test_a_head_without_an_end_is_refused_at_the_limit(begun: str, refusal: type[Exception]) -> None:
    harness = Harness()
    await harness.feed(f"GET {begun}".encode(), b"a" * 900)
    assert harness.refused == []
    await harness.feed(b"a" * 200)
    assert ([type(refused) for refused in harness.refused], harness.began) == ([refusal], [])


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
async def test_another_version_of_http_is_refused(version: bytes) -> None:
    harness = Harness()
    await harness.feed(get("/").replace(b"1.1", version, 1))
    assert [type(cycle.refusal) for cycle in harness.began] == [BadRequest]
    assert not harness.began[0].keep_alive


async def test_a_body_that_makes_no_progress_is_broken() -> None:
    harness = Harness()
    await harness.feed(get("/", "transfer-encoding: chunked") + b"1;")
    await harness.feed(*[b"x" * 30_000] * 4)
    cycle = harness.began[0]
    assert (cycle.broken, cycle.keep_alive, harness.refused) == (True, False, [])


async def test_a_waiting_reader_hears_that_its_body_is_broken() -> None:
    harness = Harness()
    await harness.feed(get("/", "transfer-encoding: chunked"))
    reading = asyncio.create_task(harness.began[0].receive())
    await settled()
    await harness.feed(b"no chunk\r\n")
    assert await reading == (b"", True)
    assert harness.began[0].broken


async def test_a_writer_waits_until_the_client_reads_or_is_lost() -> None:
    harness = Harness()
    await harness.connection.drain()
    for released in (harness.taken, harness.lost):
        await harness.stuck()
        draining = asyncio.create_task(harness.connection.drain())
        await settled()
        assert not draining.done()
        await released()
        await draining


async def test_a_writer_that_gave_up_leaves_the_next_one_its_turn() -> None:
    harness = Harness()
    await harness.stuck()
    given_up, draining = (asyncio.create_task(harness.connection.drain()) for _ in range(2))
    await settled()
    given_up.cancel()
    await harness.taken()
    await draining


async def test_names_are_compared_without_case_and_trailers_are_dropped() -> None:
    harness = Harness()
    await harness.feed(get("/", "X-New-Name: a ", "x-NEW-name:\tb", "transfer-encoding: chunked"))
    await harness.feed(b"0\r\nx-new-name: trailer\r\n\r\n")
    headers = harness.began[0].headers
    assert [value for name, value in headers if name == b"x-new-name"] == [b"a", b"b"]


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
    harness = Harness()
    await harness.feed(get("/first") + behind[:at])
    await harness.answer()
    await harness.feed(*[behind[at:][begin : begin + 900] for begin in range(0, len(behind) - at, 900)])
    refusals = [*harness.refused, *[cycle.refusal for cycle in harness.began[1:]]]
    assert [type(refusal) for refusal in refusals] == [earned]


async def test_empty_lines_without_end_are_no_head() -> None:
    harness = Harness()
    await harness.feed(get("/"))
    await harness.answer()
    await harness.feed(*[b"\r\n" * 10_000] * 5)
    assert [type(refusal) for refusal in harness.refused] == [BadRequest]
    assert harness.transport.written.endswith(b"<refused>")
    assert harness.transport.finished


async def test_some_empty_lines_are_nothing() -> None:
    harness = Harness()
    await harness.feed(get("/"))
    await harness.answer()
    await harness.feed(b"\r\n" * 100, b"\r\n" * 20_000, get("/2"))
    assert (harness.targets, harness.refused) == ([b"/", b"/2"], [])
    assert [cycle.ended_at for cycle in harness.began] == [None, None]


ANOTHER = {
    "RTSP/1.0": (b"GET / RTSP/1.0\r\nhost: a\r\n\r\n", [b"/"]),
    "RTSP/1.1": (b"GET / RTSP/1.1\r\nhost: a\r\n\r\n", [b"/"]),
    "RTSP behind empty lines": (b"\r\n\r\nOPTIONS /x RTSP/1.1\r\nhost: a\r\n\r\n", [b"/x"]),
    "RTSP behind spaces": (b"GET   /x    RTSP/1.0\r\nhost: a\r\n\r\n", [b"/x"]),
    "ICE": (b"SOURCE / ICE/1.1\r\nhost: a\r\n\r\n", [b"/"]),
    "an unknown protocol": (b"GET / XTP/1.1\r\nhost: a\r\n\r\n", []),
}


@pytest.mark.parametrize(("data", "targets"), ANOTHER.values(), ids=ANOTHER.keys())
@pytest.mark.parametrize("step", [1, 11, 1000])
async def test_another_protocol_with_the_syntax_of_http_is_one_request_or_none_however_it_comes(
    data: bytes, targets: list[bytes], step: int
) -> None:
    """What the parser takes for HTTP is served as HTTP, and ends where it says; it is never half of anything else."""
    harness = Harness()
    await harness.feed(*[data[at : at + step] for at in range(0, len(data), step) if not harness.refused])
    assert harness.targets == targets
    assert [type(refusal) for refusal in harness.refused] == [BadRequest] * (not targets)


SPEAKS_OF_IT = {
    "a header": get("/x", "a: GET /x RTSP/1.0"),
    "a body": post("/x", b"POST /x RTSP/1.0\r\n"),
    "empty lines": b"\r\n\r\n" + get("/x", "user-agent: a RTSP/1.0 ICE/1.0"),
    "spaces": get("/x", "a:  RTSP/1.0").replace(b" /x ", b"  /x  "),
}


@pytest.mark.parametrize("data", SPEAKS_OF_IT.values(), ids=SPEAKS_OF_IT.keys())
@pytest.mark.parametrize("step", [1, 11, 1000])
async def test_a_request_that_only_speaks_of_another_protocol_is_served(data: bytes, step: int) -> None:
    harness = Harness()
    for at in range(0, len(data), step):
        await harness.feed(data[at : at + step])
    assert [cycle.refusal for cycle in harness.began] == [None]
