"""One behaviour: whatever a client sends and an upstream brings, fast path and slow path make the same of it.

Compared are the bytes that the upstream gets, the bytes that the client gets, and the access line; without ids and
times. Each is sent twice, behind one that is plain: what a request leaves behind for the next one is compared too.
"""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.authorization import NetworkAllowlist
from tests.integration.attacks.support_cases import Case, attacks, load
from tests.integration.attacks.support_requests import raw_of
from tests.support_examples import times
from tests.support_rows import Rows
from tests.unit.entrypoints.public.support_fast_path import OK, FastTown, ask, line_of, post, without_ids
from tests.unit.support_time import run

TIMES = 2
Seen = list[object]


PEER, PROXY = "203.0.113.7", "10.0.0.9"


async def _made_of(
    town: FastTown, request: Sequence[bytes], response: Sequence[bytes], peer: str
) -> tuple[Seen, list[bool]]:
    """What a gateway makes of this request, sent again and again, in these pieces; and which path each took."""
    first = ask(b"x-forwarded-for: " + PEER.encode()) if peer == PROXY else None
    client = await town.warm(first, peer)
    seen: Seen = []
    for _ in range(TIMES):
        if client.transport.ended or client.transport.finished:
            client = await town.warm(first, peer)
        if client.transport.reading:
            await client.send(*request)
        before = len(town.urls[0].connections)
        await town.reply(*response)
        await asyncio.sleep(0.01)  # no longer is a part of a response kept
        seen += [without_ids(town.urls[0].written), without_ids(client.got())]
        seen += [client.transport.ended, client.transport.finished, town.limiter.in_flight, before]
    seen += [[line_of(event) for event in town.ended], town.breakers[0].state, town.breakers[0].since is None]
    fast = town.fast
    client.connection.connection_lost(None)
    for task in town.state.tasks:
        task.cancel()
    return seen, fast


def _towns(**door: Any) -> tuple[FastTown, FastTown]:
    """A gateway without the fast path, and one with it."""
    return FastTown(enabled=False, **door), FastTown(enabled=True, **door)


async def _compare_in(
    towns: tuple[FastTown, FastTown], request: Sequence[bytes], response: Sequence[bytes] = (OK,), peer: str = PEER
) -> list[bool]:
    (slow, none), (fast, taken) = [await _made_of(town, request, response, peer) for town in towns]
    assert slow == fast
    assert not any(none)
    return taken


def compare(request: Sequence[bytes], response: Sequence[bytes] = (OK,), peer: str = PEER, **door: Any) -> list[bool]:
    """Raises where the two differ. Which of the requests took the fast path."""

    async def main() -> list[bool]:
        return await _compare_in(_towns(**door), request, response, peer)

    return run(main())


def test_what_is_plain_takes_the_fast_path() -> None:
    assert compare([ask()]) == [True] * TIMES
    assert compare([post(b"hello")]) == [True] * TIMES
    assert compare([post(b"")]) == [True] * TIMES
    assert compare([ask(b"Content-Length: 0")]) == [True] * TIMES


async def _compare_each(cases: Sequence[Case], peer: str = PEER) -> None:
    """One attack after the other on the same two gateways: behind the last one they serve what is plain as ever."""
    with Rows() as rows:
        towns = _towns()
        for case in cases:
            with rows.row(case.name):
                await _compare_in(towns, [raw_of(case, "t-1")], peer=peer)
        assert await _compare_in(towns, [ask()]) == [True] * TIMES


async def test_each_attack() -> None:
    await _compare_each(attacks())


async def test_each_attack_through_a_trusted_proxy() -> None:
    await _compare_each([case for case in load("names") if "forward" in str(case).lower()], PROXY)


async def test_each_attack_by_an_upstream() -> None:
    with Rows() as rows:
        for case in load("answers"):
            with rows.row(case.name):
                await _compare_in(_towns(), [ask()], [_answer_of(case)])
                await _compare_in(_towns(), [post(b"hello")], [_answer_of(case)])


def _answer_of(case: Case) -> bytes:
    text = case.text("answer")
    marks = {"{token}": "service-token-1", "{key}": "api-key-canary", "{user}": "u-1", "FILL": case.filling}
    for mark, meaning in marks.items():
        text = text.replace(mark, meaning)
    body = text.partition("LENGTH\r\n\r\n")[2].partition("HTTP/1.1")[0]
    return text.replace("LENGTH", str(len(body))).encode("latin-1")


NAMES = st.sampled_from(
    b"Accept accept Cookie X-Custom x_under host Host x-api-tag X-Api-Tag connection Content-Length content-length"
    b" transfer-encoding expect upgrade te via forwarded x-forwarded-for x-request-id traceparent tracestate"
    b" x-request-timeout-ms x-wind-user-id authorization X-Talaria-Identity keep-alive x-api-key user-agent".split()
)
VALUES = st.sampled_from(
    [
        *b"1|keep-alive|close|Keep-Alive|x-custom|5|0|chunked|100-continue|h2c|wind|Bearer t-1|Bearer t-2".split(b"|"),
        *b"Bearer |Bearer|| padded |\ttab\t|\xc3\xa9|a\x00b|a\rb|a\nx-wind-user-id: u-2|a, b".split(b"|"),
        *(b"00-%b-%b-01" % (digit * 32, b"b" * 16) for digit in (b"a", b"0")),
        b"x" * 300,
    ]
)
COLONS = st.sampled_from([b": ", b":", b" : "])
LINES = st.lists(st.builds(lambda name, colon, value: name + colon + value, NAMES, COLONS, VALUES), max_size=4)
STARTS = st.sampled_from(
    b"GET /|POST /a?b=%2e|HEAD /|DELETE /a%20b|GET /a/../b|get /|GET  /|GET //a|PUT /;a|OPTIONS *|GET http://a/|GET /#a"
    b"|GET /a?x=/../|PROPFIND /|PATCH /\\|GET /a?{}^`".split(b"|")
)
BODIES = st.sampled_from([b"", b"hello", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", ask(), b"x" * 101, b"\r\n"])
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"http/1.1", b"HTTP/2.0"])


@st.composite
def requests(draw: st.DrawFn) -> list[bytes]:
    """Mostly odd ones, often with a length that fits; their lines in any order; in one piece or in two."""
    body, lines = draw(BODIES), draw(LINES)
    if draw(st.booleans()) and body:
        lines.append(b"content-length: %d" % len(body))
    start, *plain = ask(start=draw(STARTS)).removesuffix(b"\r\n\r\n").split(b"\r\n")
    data = b"\r\n".join([start, *draw(st.permutations(plain + lines)), b"", body])
    data = data.replace(b"HTTP/1.1", draw(VERSIONS), 1)
    cut = draw(st.integers(0, len(data))) if draw(st.booleans()) else 0
    return [piece for piece in (data[:cut], data[cut:]) if piece]


@times(2)
@given(requests())
def test_generated_requests(request: list[bytes]) -> None:
    compare(request)


NODES = st.sampled_from(
    b"203.0.113.7|203.0.113.8|10.0.0.8|unknown|_hidden|192.0.2.1:443|2001:db8::7|[2001:db8::7]:1|::ffff:203.0.113.7|010.1.2.3"
    b'|nonsense| 203.0.113.7 |||\t203.0.113.7|\xc3\xa9|a b|"|"203.0.113.7"|fe80::1%eth0|203.0.113.7;proto=https'.split(
        b"|"
    )
)
HOPS = st.lists(NODES, max_size=4).map(b", ".join) | st.lists(NODES, min_size=1, max_size=60).map(b",".join)
ELEMENTS = st.lists(
    st.builds(
        lambda name, node, rest: name + node + rest,
        st.sampled_from([b"for=", b"For=", b"FOR =", b"by=", b"", b";for="]),
        NODES | st.builds(lambda node: b'"%b"' % node, NODES),
        st.sampled_from([b"", b";proto=https", b';host="a,b"', b";host=shop;proto=wss", b";", b'"', b"\\"]),
    ),
    max_size=4,
).map(b", ".join)
FORWARDING = st.one_of(
    st.builds(lambda name, value: name + value, st.sampled_from([b"x-forwarded-for: ", b"X-Forwarded-For:"]), HOPS),
    st.builds(lambda name, value: name + value, st.sampled_from([b"forwarded: ", b"Forwarded:"]), ELEMENTS),
    st.sampled_from(
        b"x-forwarded-proto: https|X-Forwarded-Proto: http|x-forwarded-proto: a, b|x-forwarded-host: shop"
        b"|x-forwarded-host:|X-Forwarded-Host: a b|connection: x-forwarded-for|x-forwarded: a|x-real-ip: a".split(b"|")
    ),
)
BOUND = NetworkAllowlist({"app": [ip_network("203.0.113.7/32"), ip_network("2001:db8::/32")]})


@times(2)
@given(st.lists(FORWARDING, max_size=5), st.sampled_from([PROXY, PROXY, PEER]), st.sampled_from([None, BOUND]))
def test_generated_ways_here(lines: list[bytes], peer: str, networks: NetworkAllowlist | None) -> None:
    compare([ask(*lines)], peer=peer, networks=networks)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"x-forwarded-for: 203.0.113.7"],
        [b"x-forwarded-for: 6.6.6.6", b"x-forwarded-for: 203.0.113.7"],
        [b"x-forwarded-for: " + b", ".join([b"6.6.6.6"] * 60 + [b"203.0.113.7"])],
        [b"forwarded: for=203.0.113.7;proto=https;host=shop", b"forwarded: for=10.0.0.8"],
        [b'forwarded: for="[2001:db8::7]:4711"', b"x-forwarded-proto: https", b"x-forwarded-host: shop"],
        [b'forwarded: for="', b'forwarded: "'],
        [b"forwarded: for=6.6.6.6", b"x-forwarded-for: 203.0.113.7"],
    ],
    ids=repr,
)
def test_behind_a_trusted_proxy_the_fast_path_is_taken(lines: list[bytes]) -> None:
    assert compare([ask(*lines)], peer=PROXY) == [True] * TIMES
    compare([ask(*lines)], peer=PROXY, networks=BOUND)


ANSWER_NAMES = st.sampled_from(
    b"Content-Type set-cookie Date date connection keep-alive content-length transfer-encoding x-request-id Trailer"
    b" x-talaria-unknown-user authorization x-wind-user-id server upgrade x_odd".split()
)
ANSWER_LINES = st.lists(st.builds(lambda name, value: name + b": " + value, ANSWER_NAMES, VALUES), max_size=4)
STATUS_LINES = st.sampled_from(
    b"HTTP/1.1 200 OK|HTTP/1.1 200 |HTTP/1.1 200|HTTP/1.0 200 OK|HTTP/1.1 302 Found|HTTP/1.1 205 R|HTTP/1.1 204 No"
    b"|HTTP/1.1 304 Not|HTTP/1.1 404 No|HTTP/1.1 503 No|HTTP/1.1 103 Early|HTTP/1.1  200 OK|HTTP/1.1 999 Odd"
    b"|HTTP/1.1 101 Switch|ICY 200 OK|HTTP/1.1 200 O\xc3K".split(b"|")
)


@st.composite
def responses(draw: st.DrawFn) -> list[bytes]:
    """The same of an upstream."""
    body, lines = draw(st.sampled_from([b"", b"ok", b"2\r\nok\r\n0\r\n\r\n", OK])), draw(ANSWER_LINES)
    if draw(st.booleans()):
        lines.append(b"content-length: %d" % len(body))
    data = b"\r\n".join([draw(STATUS_LINES), *lines, b"", b""]) + body
    cut = draw(st.integers(0, len(data))) if draw(st.booleans()) else 0
    return [piece for piece in (data[:cut], data[cut:]) if piece]


@times(2)
@given(responses())
def test_generated_responses(response: list[bytes]) -> None:
    compare([ask()], response)
