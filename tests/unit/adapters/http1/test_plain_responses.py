"""Plain responses: what is read is read as by the strict reader, and whatever is not certain is not read."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.http1.plain_responses import PlainResponse, PlainResponses, continued
from talaria.adapters.http1.response_head import HEADER_COUNT_LIMIT, parse_head
from talaria.domain.headers import HeaderPolicy
from talaria.domain.model import Partner
from tests.support_rows import each_row

POLICY = HeaderPolicy([Partner("wind", b"x-wind-user-id")])
TOKEN = b"service-token"


def read(data: bytes, responses: PlainResponses | None = None) -> PlainResponse | None:
    return (responses or PlainResponses(POLICY.forwards_response)).read(data, (TOKEN, b"api-key"))


def response(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK", body: bytes = b"ok") -> bytes:
    return b"\r\n".join([start, *lines, b"", b""]) + body


def test_a_plain_one() -> None:
    data = response(
        b"Content-Type:  a/b ",
        b"Date: x",
        b"X-A: X",
        b"Connection: keep-alive",
        b"Content-Length: 2",
        b"X-Request-Id: 1",
    )
    assert read(data) == (
        200,
        [b"content-type: a/b\r\n", b"date: x\r\n", b"x-a: X\r\n", b"content-length: 2\r\n"],
        True,
        True,
        b"ok",
        0,
    )


@given(st.binary(max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_in_pieces_it_is_what_it_is_whole(body: bytes, cuts: list[int]) -> None:
    lines = (b"content-length: %d" % len(body), b"date: x")
    ends = [*sorted(min(cut, len(body)) for cut in cuts), len(body)]
    begun = read(response(*lines, body=body[: ends[0]]))
    for start, end in pairwise(ends):
        assert begun is not None
        assert begun[5] == len(body) - start
        begun = continued(begun, body[start:end])
    assert begun == read(response(*lines, body=body))
    assert begun is not None
    assert continued(begun, b"surplus") is None


@each_row(
    "data",
    [
        response(),
        response(b"content-length: 2", body=b"okk"),
        response(b"content-length: 2", b"content-length: 2"),
        response(b"content-length: 0", b"content-length: 2"),
        response(b"content-length: +2"),
        response(b"content-length: 0x2"),
        response(b"content-length: 2", b"transfer-encoding: chunked"),
        response(b"transfer-encoding: chunked", b"transfer-encoding: chunked", body=b"0\r\n\r\n"),
        response(b"transfer-encoding: gzip, chunked", body=b"0\r\n\r\n"),
        response(b"content-length: 5", b"transfer-encoding: chunked", body=b"0\r\n\r\n"),
        response(b"content-length: 0", b"transfer-encoding: chunked", body=b"0\r\n\r\n"),
        *(
            response(b"transfer-encoding: chunked", body=chunks)
            for chunks in (
                b"",
                b"0\r\n",
                b"0\r\n\r\n ",
                b"0\r\n\r\nHTTP/1.1 200 OK\r\n",
                b"0\r\na: b\r\n\r\n",
                b"2\r\nok\r\n",
                b"2\r\nok0\r\n\r\n",
                b"2\r\nokk\r\n0\r\n\r\n",
                b"2\r\nokXX0\r\n\r\n",
                b"0\r\nXX",
                b"2;a=b\r\nok\r\n0\r\n\r\n",
                b"2 \r\nok\r\n0\r\n\r\n",
                b" 2\r\nok\r\n0\r\n\r\n",
                b"+2\r\nok\r\n0\r\n\r\n",
                b"0x2\r\nok\r\n0\r\n\r\n",
                b"\r\nok\r\n0\r\n\r\n",
                b"0000002\r\nok\r\n0\r\n\r\n",
                b"2\nok\r\n0\r\n\r\n",
                b"3\r\nok\r\n0\r\n\r\n",
                b"1\r\na\r\n3\r",
            )
        ),
        response(b"content-length: 2", b"connection: close"),
        response(b"content-length: 2", b"connection: keep-alive, x-a"),
        response(b"content-length: 2", b"x-talaria-unknown-user: 1"),
        response(b"content-length: 2", b"x-wind-user-id: u-1"),
        response(b"content-length: 2", b"upgrade: h2c"),
        response(b"content-length: 2", b"x-a: service-token"),
        response(b"content-length: 2", b"x-a: an api-key inside"),
        response(b"content-length: 2", b"x-a : 1"),
        response(b"content-length: 2", b": 1"),
        response(b"content-length: 2", b"x-a:"),
        response(b"content-length: 2", b"x-a"),
        response(b"content-length: 2", b"x_a: 1"),
        response(b"content-length: 2", b" folded"),
        response(b"content-length: 2", b"x-a: \xc3\xa9"),
        response(b"content-length: 2", b"x-a: a\tb"),
        response(b"content-length: 2", b"x-a: a\nb"),
        response(b"content-length: 2", b"x-a: a\rb"),
        response(b"content-length: 2", b"x-a: a\x00b"),
        response(b"content-length: 2", start=b"HTTP/1.0 200 OK"),
        response(b"content-length: 2", start=b"HTTP/1.1 200"),
        response(b"content-length: 2", start=b"HTTP/1.1  200 OK"),
        response(b"content-length: 2", start=b"HTTP/1.1 200 O\x7fK"),
        response(b"content-length: 2", start=b"HTTP/1.1 099 Odd"),
        response(b"content-length: 2")[:-3],
        *(
            response(b"content-length: 2", start=b"HTTP/1.1 %d x" % code)
            for code in (100, 103, 204, 304, 403, 404, 500)
        ),
        b"",
    ],
)
def test_what_is_not_certain_is_not_read(data: bytes) -> None:
    assert read(data) is None


NAMES = st.sampled_from(
    b"Content-Type set-cookie Date connection keep-alive x-request-id trailer X-A x_a server".split()
)
VALUES = st.one_of(
    st.sampled_from([b"keep-alive", b"close", b"1", b"", b" a ", b"\ta", b"a, b"]), st.binary(max_size=4)
)
LINES = st.lists(st.builds(lambda name, value: name + b": " + value, NAMES, VALUES), max_size=4)
STARTS = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 302 ", b"HTTP/1.1 200 O K", b"HTTP/1.1 205 \xff", b"HTTP/1.1 200"]
)


@given(STARTS, LINES, st.integers(0, 4), st.binary(max_size=4))
def test_what_is_read_is_read_alike(start: bytes, lines: list[bytes], length: int, body: bytes) -> None:
    responses = PlainResponses(POLICY.forwards_response)
    data = response(*lines, b"content-length: %d" % length, start=start, body=body)
    for _ in range(2):
        found = read(data, responses)
        if found is None:
            continue
        head = parse_head(data[: data.index(b"\r\n\r\n") + 4], to_head=False)
        kept = POLICY.filter_response(head.headers, TOKEN, b"api-key")
        status, forwarded, dated, sized, content, missing = found
        assert (head.status, head.length, head.keep_alive) == (status, len(content) + missing, True)
        assert [b"%b: %b\r\n" % header for header in kept] == forwarded
        assert dated == any(name == b"date" for name, _ in kept)
        assert (sized, content) == (True, body)


@pytest.mark.parametrize(
    ("chunks", "content"),
    [
        (b"0\r\n\r\n", b""),
        (b"2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"10\r\n0123456789abcdef\r\n0\r\n\r\n", b"0123456789abcdef"),
        (b"0A\r\n\r\n23456789\r\n2\r\nok\r\n000000\r\n\r\n", b"\r\n23456789ok"),
    ],
)
def test_whole_chunks(chunks: bytes, content: bytes) -> None:
    data = response(b"transfer-encoding: chunked", body=chunks)
    assert read(data) == (200, [], False, False, content, 0)


def test_limits() -> None:
    for lines, plain in ((HEADER_COUNT_LIMIT, True), (HEADER_COUNT_LIMIT + 1, False)):
        assert (read(response(b"content-length: 2", *[b"a: 1"] * (lines - 1))) is not None) == plain
    for digits, plain in ((15, True), (16, False)):
        assert (read(response(b"content-length: " + b"2".zfill(digits))) is not None) == plain


def test_a_head_without_an_end() -> None:
    for length in range(100):
        assert read(b"HTTP/1.1 200 OK\r\ncontent-length: %d " % length) is None


def test_a_body_that_is_not_all_there() -> None:
    assert read(response(b"content-length: 5")) == (200, [b"content-length: 5\r\n"], False, True, b"ok", 3)


def test_what_is_remembered_is_bounded_and_no_cookie() -> None:
    responses = PlainResponses(POLICY.forwards_response)
    for number in range(5000):
        assert read(response(b"content-length: 2", b"set-cookie: s=%d" % number, b"server: %d" % number), responses)
    remembered = list(responses._lines)
    assert 0 < len(remembered) <= 2048
    assert not [line for line in remembered if b"cookie" in line]
    assert read(response(b"content-length: 2", b"server: " + b"x" * 300), responses)
    assert max(map(len, responses._lines)) < 300
