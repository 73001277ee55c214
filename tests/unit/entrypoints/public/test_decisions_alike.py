"""One behaviour: whatever an edge asks, it gets the same with flows and without, and the same is told of it.

Compared are the bytes that the edge gets, the access lines and what is counted; without ids and times. Each question is
asked twice, behind one that is plain.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.attacks.support_cases import attacks
from tests.integration.attacks.support_requests import raw_of
from tests.support_examples import times
from tests.support_rows import Rows
from tests.unit.entrypoints.public.support_edge import EdgeTown, question
from tests.unit.entrypoints.public.support_fast_path import line_of, without_ids
from tests.unit.entrypoints.public.test_fast_path_alike import COLONS, NAMES, VALUES, VERSIONS
from tests.unit.support_time import run, settle

TIMES = 2
Seen = list[object]


async def _made_of(town: EdgeTown, pieces: Sequence[bytes]) -> tuple[Seen, list[bool]]:
    """What the decision API makes of this question, asked again and again; and which of them a flow answered."""
    town.connect()
    await town.send(question())
    town.recorder.events.clear()
    asked = len(town.door.upstream.received)
    seen: Seen = []
    for _ in range(TIMES):
        if town.transport.ended or town.transport.finished:
            town.connect()
        seen.append(without_ids(await town.send(*pieces)))
        seen += [town.transport.ended, town.transport.finished, town.limiter.in_flight]
    seen += [[line_of(event) for event in town.ended], town.hits, len(town.door.upstream.received) - asked]
    town.connection.connection_lost(None)
    await settle()
    return seen, town.fast


def _towns() -> tuple[EdgeTown, EdgeTown]:
    """A decision API without flows, and one with them."""
    return EdgeTown(15.0, fast_path=False), EdgeTown(15.0, fast_path=True)


async def _compare_in(towns: tuple[EdgeTown, EdgeTown], *pieces: bytes) -> list[bool]:
    (slow, none), (fast, taken) = [await _made_of(town, pieces) for town in towns]
    assert slow == fast
    assert not any(none)
    return taken


def compare(*pieces: bytes) -> list[bool]:
    """Raises where the two differ. Which of the questions a flow answered."""

    async def main() -> list[bool]:
        return await _compare_in(_towns(), *pieces)

    return run(main())


@pytest.mark.parametrize(
    "data",
    [
        question(),
        question(b"content-length: 0"),
        question(b"accept: */*", b"cookie: a=b", b"traceparent: 00-%b-%b-01" % (b"a" * 32, b"b" * 16)),
        question(b"X-Forwarded-For: 198.51.100.7", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: door"),
        question(start=b"OPTIONS /decide/a%20b?c=%2e", asked=[]).replace(b"%20", b"_"),
        question(b"content-length: 5", start=b"POST /decide") + b"hello",
    ],
)
def test_what_is_plain_is_answered_by_a_flow(data: bytes) -> None:
    assert compare(data) == [True] * TIMES


async def test_each_attack() -> None:
    """One after the other at the same two: behind the last one they answer what is plain as ever."""
    towns = _towns()
    with Rows() as rows:
        for case in attacks():
            data = raw_of(case, "t-1")
            with rows.row(case.name):
                await _compare_in(towns, _of_its_own(data))
                await _compare_in(towns, _of_another(data))
    assert await _compare_in(towns, question()) == [True] * TIMES


def _of_its_own(data: bytes) -> bytes:
    """A question in place of the request in these bytes."""
    method, space, rest = data.partition(b" ")
    return method + space + b"/decide" + rest


def _of_another(data: bytes) -> bytes:
    """A question about it."""
    first, line_break, lines = data.partition(b"\r\n")
    method, target = first.partition(b" ")[0], first.removesuffix(b" HTTP/1.1").partition(b" ")[2]
    asked = b"GET /decide HTTP/1.1\r\nx-forwarded-method: %b\r\nx-forwarded-uri: %b" % (method, target)
    return asked + line_break + lines


OF_THE_EDGE = st.sampled_from(
    b"X-Forwarded-Method|x-forwarded-uri|X-Forwarded-For|x-forwarded-host|X-Forwarded-Proto|x-forwarded-port".split(
        b"|"
    )
)
SAID = st.sampled_from(
    b"GET|POST|HEAD|get|BREW|/|/a?b=%2e|/a%20b|/a/../b|//a|*|http://a/|/\\|192.0.2.1|10.0.0.9|::1|[::1]:80|unknown"
    b"|192.0.2.1, 10.0.0.9|10.0.0.9, 192.0.2.1|192.0.2.1,|https|http|ftp|HTTPS|door|a b|a:99999|".split(b"|")
)
LINE = st.builds(lambda name, colon, value: name + colon + value, NAMES, COLONS, VALUES)
LINE |= st.builds(lambda name, colon, value: name + colon + value, OF_THE_EDGE, COLONS, SAID)
STARTS = st.sampled_from(
    b"GET /decide|GET /decide|POST /decide?a=b|HEAD /decide|GET /decide/|DELETE /decide/a?b|GET /decide/a/../b|GET /"
    b"|GET /decide//a|PROPFIND /decide/a|get /decide|GET  /decide|GET /refusals/expired-token|GET /decide/a%2fb".split(
        b"|"
    )
)
ASKED = st.sampled_from(
    [(b"X-Forwarded-Method: GET", b"X-Forwarded-Uri: /rides?a=1"), (), (b"X-Forwarded-Method: GET",)]
)


@st.composite
def questions(draw: st.DrawFn) -> list[bytes]:
    """Mostly odd ones; in one piece or in two."""
    lines, asked, start = draw(st.lists(LINE, max_size=4)), draw(ASKED), draw(STARTS)
    token, tag = draw(st.sampled_from([b"t-1", b"t-1", b"t-2", b"t-old"])), draw(st.sampled_from([b"wind", b"bare"]))
    data = question(*lines, start=start, asked=asked, token=token, tag=tag) + draw(
        st.sampled_from([b"", b"", b"hello", question()])
    )
    data = data.replace(b"HTTP/1.1", draw(VERSIONS), 1)
    cut = draw(st.integers(0, len(data))) if draw(st.booleans()) else 0
    return [piece for piece in (data[:cut], data[cut:]) if piece]


@times(4)
@given(questions())
def test_generated_questions(pieces: list[bytes]) -> None:
    compare(*pieces)
