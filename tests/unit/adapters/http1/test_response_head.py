"""Heads of answers: what is taken, what is refused, and how the body that follows is framed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.http1.body_framing import CHUNKED, UNTIL_CLOSE
from talaria.adapters.http1.errors import RemoteProtocolError
from talaria.adapters.http1.response_head import (
    HEAD_LIMIT,
    HEADER_COUNT_LIMIT,
    INTERIM_LIMIT,
    ResponseHeadParser,
    parse_head,
)
from tests.support_rows import each_row

OK = b"HTTP/1.1 200 OK\r\n"


def _head(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *lines, b"", b""])


REFUSED = {
    "status under 100": _head(status=b"HTTP/1.1 099 Low"),
    "status over 599": _head(status=b"HTTP/1.1 600 High"),
    "status of two digits": _head(status=b"HTTP/1.1 20 Short"),
    "status of four digits": _head(status=b"HTTP/1.1 2000 Long"),
    "no space after the status": _head(status=b"HTTP/1.1 200OK"),
    "HTTP/2.0": _head(status=b"HTTP/2.0 200 OK"),
    "HTTP/0.9": _head(status=b"HTTP/0.9 200 OK"),
    "another protocol": _head(status=b"RTSP/1.0 200 OK"),
    "lower case protocol": _head(status=b"http/1.1 200 OK"),
    "empty line first": b"\r\n" + _head(),
    "NUL in the reason": _head(status=b"HTTP/1.1 200 O\0K"),
    "escape in the reason": _head(status=b"HTTP/1.1 200 O\x1bK"),
    "bare CR in the reason": _head(status=b"HTTP/1.1 200 O\rK"),
    "101": _head(b"upgrade: h2c", b"connection: upgrade", status=b"HTTP/1.1 101 Switching"),
    "bare LF": OK + b"a: b\nc: d\r\n\r\n",
    "bare LF after the status": b"HTTP/1.1 200 OK\na: b\r\n\r\n",
    "bare CR": _head(b"a: b\rc: d"),
    "NUL in a value": _head(b"a: b\0c"),
    "NUL in a name": _head(b"a\0: b"),
    "control character in a value": _head(b"a: \x01"),
    "DEL in a value": _head(b"a: \x7f"),
    "obs-fold": _head(b"a: b", b" c"),
    "obs-fold by a tab": _head(b"a: b", b"\tc"),
    "obs-fold at once": _head(b" a: b"),
    "space before the colon": _head(b"a : b"),
    "no colon": _head(b"a"),
    "no name": _head(b": b"),
    "space in a name": _head(b"a b: c"),
    "two equal lengths": _head(b"content-length: 5", b"content-length: 5"),
    "two lengths": _head(b"content-length: 5", b"Content-Length: 6"),
    "a list of lengths": _head(b"content-length: 5, 5"),
    "a signed length": _head(b"content-length: +5"),
    "a negative length": _head(b"content-length: -5"),
    "a hexadecimal length": _head(b"content-length: 0x5"),
    "an empty length": _head(b"content-length:"),
    "a huge length": _head(b"content-length: 99999999999999999999999"),
    "length and coding": _head(b"content-length: 5", b"transfer-encoding: chunked"),
    "coding and length": _head(b"transfer-encoding: chunked", b"content-length: 5"),
    "gzip, chunked": _head(b"transfer-encoding: gzip, chunked"),
    "chunked twice": _head(b"transfer-encoding: chunked", b"transfer-encoding: chunked"),
    "chunked, chunked": _head(b"transfer-encoding: chunked, chunked"),
    "identity": _head(b"transfer-encoding: identity"),
    "chunkedX": _head(b"transfer-encoding: chunkedX"),
    "xchunked": _head(b"transfer-encoding: xchunked"),
    "an empty coding": _head(b"transfer-encoding:"),
    "a coding in HTTP/1.0": _head(b"transfer-encoding: chunked", status=b"HTTP/1.0 200 OK"),
    "too large": _head(b"a: " + b"x" * HEAD_LIMIT),
    "too many headers": _head(*[b"a: b"] * (HEADER_COUNT_LIMIT + 1)),
}


@each_row("name", REFUSED)
def test_a_head_that_could_be_read_in_two_ways_is_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_head(REFUSED[name], to_head=False)


@each_row("name", REFUSED)
def test_a_refused_head_is_refused_byte_by_byte(name: str) -> None:
    reader = ResponseHeadParser()
    with pytest.raises(RemoteProtocolError):
        [reader.read(bytes([byte]), to_head=False) for byte in REFUSED[name]]


def test_a_refusal_repeats_no_byte_of_the_answer() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_head(_head(b"x-secret: hunter2\x01"), to_head=False)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "status", "to_head", "length"),
    [
        ([b"content-length: 5"], b"HTTP/1.1 200 OK", False, 5),
        ([b"content-length: 0"], b"HTTP/1.1 200 OK", False, 0),
        ([b"content-length: 5 \t"], b"HTTP/1.1 200 OK", False, 5),
        ([b"transfer-encoding: chunked"], b"HTTP/1.1 200 OK", False, CHUNKED),
        ([b"Transfer-Encoding:  CHUNKED "], b"HTTP/1.1 200 OK", False, CHUNKED),
        ([], b"HTTP/1.1 200 OK", False, UNTIL_CLOSE),
        ([], b"HTTP/1.1 200", False, UNTIL_CLOSE),
        ([b"content-length: 5"], b"HTTP/1.1 200 OK", True, 0),
        ([b"transfer-encoding: chunked"], b"HTTP/1.1 200 OK", True, 0),
        ([], b"HTTP/1.1 200 OK", True, 0),
        ([b"content-length: 5"], b"HTTP/1.1 103 Early Hints", False, 0),
        ([b"content-length: 5"], b"HTTP/1.1 204 No Content", False, 0),
        ([b"content-length: 5"], b"HTTP/1.1 304 Not Modified", False, 0),
    ],
)
def test_framing(lines: list[bytes], status: bytes, to_head: bool, length: int) -> None:
    assert parse_head(_head(*lines, status=status), to_head).length == length


@pytest.mark.parametrize(
    ("lines", "version", "kept"),
    [
        ([], b"1.1", True),
        ([b"connection: close"], b"1.1", False),
        ([b"connection: x, Close"], b"1.1", False),
        ([b"connection: close", b"connection: keep-alive"], b"1.1", False),
        ([b"connection: closed"], b"1.1", True),
        ([], b"1.0", False),
        ([b"connection: Keep-Alive"], b"1.0", True),
        ([b"connection: keep-alive, close"], b"1.0", False),
        ([b"connection: keep-alive", b"connection: x"], b"1.0", True),
    ],
)
def test_keep_alive(lines: list[bytes], version: bytes, kept: bool) -> None:
    head = parse_head(_head(b"content-length: 0", *lines, status=b"HTTP/" + version + b" 200 OK"), to_head=False)
    assert head.keep_alive is kept


def test_an_answer_without_an_end_of_its_own_is_never_kept_alive() -> None:
    assert not parse_head(_head(), to_head=False).keep_alive


def test_headers_stay_as_they_came_but_for_their_names_case() -> None:
    raw = _head(b"Set-Cookie: a=1", b"X-Odd:\t v\xff \t", b"set-cookie: b=2", b"Empty:", b"Content-Length: 3")
    assert parse_head(raw, to_head=False).headers == [
        (b"set-cookie", b"a=1"),
        (b"x-odd", b"v\xff"),
        (b"set-cookie", b"b=2"),
        (b"empty", b""),
        (b"content-length", b"3"),
    ]


def test_the_transfer_coding_is_taken_away() -> None:
    assert parse_head(_head(b"transfer-encoding: chunked", b"a: b"), to_head=False).headers == [(b"a", b"b")]


def test_interim_heads_are_skipped_and_what_follows_is_given_back() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    found = ResponseHeadParser().read(interim * INTERIM_LIMIT + _head(b"a: b") + b"body", to_head=False)
    assert found is not None
    assert (found[0].status, found[0].headers, found[1]) == (200, [(b"a", b"b")], b"body")


def test_interim_heads_are_bounded() -> None:
    with pytest.raises(RemoteProtocolError, match="interim"):
        ResponseHeadParser().read(b"HTTP/1.1 100 Continue\r\n\r\n" * (INTERIM_LIMIT + 1), to_head=False)


def test_the_interim_heads_of_one_response_are_not_counted_for_the_next() -> None:
    parser = ResponseHeadParser()
    for _ in range(INTERIM_LIMIT + 1):
        assert parser.read(b"HTTP/1.1 100 Continue\r\n\r\n" + _head(), to_head=False) is not None


@pytest.mark.parametrize("begun", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\n", b"HTTP/1.1 200 OK\r\na: b\n", b"\r\n"])
def test_what_can_not_become_a_head_is_refused_before_its_end(begun: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        ResponseHeadParser().read(begun, to_head=False)


def test_a_head_without_an_end_is_refused_at_the_limit() -> None:
    reader = ResponseHeadParser()
    assert reader.read(OK + b"a: ", to_head=False) is None
    with pytest.raises(RemoteProtocolError, match="too large"):
        reader.read(b"x" * HEAD_LIMIT, to_head=False)


_LINES = st.lists(
    st.sampled_from([b"a: b", b"content-length: 2", b"transfer-encoding: chunked", b" x", b"a : b", b"\0"])
)
_HEADS = st.builds(lambda first, lines: _head(*lines, status=first), st.binary(max_size=20) | st.just(OK[:-2]), _LINES)


@given(st.binary(max_size=200) | _HEADS, st.booleans())
def test_whatever_arrives_is_a_head_or_refused(raw: bytes, to_head: bool) -> None:
    try:
        found = ResponseHeadParser().read(raw, to_head)
    except RemoteProtocolError:
        return
    if found is not None:
        head, rest = found
        assert 200 <= head.status <= 599
        assert raw.endswith(rest)
        assert head.length >= UNTIL_CLOSE
        assert all(name == name.lower() and not set(name + value) & set(b"\r\n\0") for name, value in head.headers)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_no_bytes_make_a_reader_hold_more_than_its_limit(pieces: list[bytes]) -> None:
    reader = ResponseHeadParser()
    with contextlib.suppress(RemoteProtocolError):
        for piece in pieces * 3000:
            reader.read(piece, to_head=False)
    assert len(reader._held or b"") <= HEAD_LIMIT + 40


def test_a_204_has_no_length() -> None:
    head = parse_head(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nx: y\r\n\r\n", False)
    assert (head.headers, head.length, head.keep_alive) == ([(b"x", b"y")], 0, True)


@pytest.mark.parametrize(("status", "to_head"), [(b"304 Not Modified", False), (b"200 OK", True), (b"204 No", True)])
def test_only_a_204_loses_its_length(status: bytes, to_head: bool) -> None:
    head = parse_head(b"HTTP/1.1 " + status + b"\r\ncontent-length: 5\r\n\r\n", to_head)
    assert head.headers == ([] if status.startswith(b"204") else [(b"content-length", b"5")])
    assert head.length == 0
