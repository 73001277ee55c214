"""One behaviour: whatever a client sends and an upstream brings, fast path and slow path make the same of it.

Compared are the bytes that the upstream gets, the bytes that the client gets, and the access line; without ids and
times. Each is sent twice, behind one that is plain: what a request leaves behind for the next one is compared too.
"""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.attacks.support_cases import Case, called, load
from tests.integration.attacks.support_requests import raw_of
from tests.unit.domain.support_time import run
from tests.unit.entrypoints.public.support_fast_path import OK, FastTown, ask, line_of, post, without_ids

TIMES = 2
Seen = list[object]


async def _made_of(request: Sequence[bytes], response: Sequence[bytes], *, enabled: bool) -> tuple[Seen, list[bool]]:
    """What a gateway makes of this request, sent again and again, in these pieces; and which path each took."""
    town = FastTown(enabled=enabled)
    client = await town.warm()
    seen: Seen = []
    for _ in range(TIMES):
        if client.transport.ended or client.transport.finished:
            client = await town.warm()
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


def compare(request: Sequence[bytes], response: Sequence[bytes] = (OK,)) -> list[bool]:
    """Raises where the two differ. Which of the requests took the fast path."""

    async def main() -> tuple[tuple[Seen, list[bool]], tuple[Seen, list[bool]]]:
        return await _made_of(request, response, enabled=False), await _made_of(request, response, enabled=True)

    (slow, none), (fast, taken) = run(main())
    assert slow == fast
    assert not any(none)
    return taken


def test_what_is_plain_takes_the_fast_path() -> None:
    assert compare([ask()]) == [True] * TIMES
    assert compare([post(b"hello")]) == [True] * TIMES


def _cases() -> list[Case]:
    return [case for table in ("names", "tags", "targets", "framings") for case in load(table)]


@pytest.mark.parametrize("case", _cases(), ids=called)
def test_each_attack(case: Case) -> None:
    compare([raw_of(case, "t-1")])


@pytest.mark.parametrize("case", load("answers"), ids=called)
def test_each_attack_by_an_upstream(case: Case) -> None:
    text = case.text("answer")
    marks = {"{token}": "service-token-1", "{key}": "api-key-canary", "{user}": "u-1", "FILL": case.filling}
    for mark, meaning in marks.items():
        text = text.replace(mark, meaning)
    body = text.partition("LENGTH\r\n\r\n")[2].partition("HTTP/1.1")[0]
    data = text.replace("LENGTH", str(len(body))).encode("latin-1")
    compare([ask()], [data])
    compare([post(b"hello")], [data])


NAMES = st.sampled_from(
    b"Accept accept Cookie X-Custom x_under host Host x-api-tag X-Api-Tag connection Content-Length content-length"
    b" transfer-encoding expect upgrade te via forwarded x-forwarded-for x-request-id traceparent tracestate"
    b" x-request-timeout-ms x-wind-user-id authorization X-Talaria-Identity keep-alive x-api-key user-agent".split()
)
VALUES = st.sampled_from(
    [
        *b"1|keep-alive|close|Keep-Alive|x-custom|5|0|chunked|100-continue|h2c|wind|Bearer t-1|Bearer t-2".split(b"|"),
        *b"Bearer |Bearer|| padded |\ttab\t|\xc3\xa9|a\x00b|a\rb|a, b".split(b"|"),
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


@settings(max_examples=80, deadline=None)
@given(requests())
def test_generated_requests(request: list[bytes]) -> None:
    compare(request)


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


@settings(max_examples=80, deadline=None)
@given(responses())
def test_generated_responses(response: list[bytes]) -> None:
    compare([ask()], response)
