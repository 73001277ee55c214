"""How a head frames its body, as a value; and that the parser is strict."""

from collections.abc import Callable

import httptools
import pytest

from talaria.domain.errors import (
    BadRequest,
    BadRequestTarget,
    HeadersTooLarge,
    MethodNotAllowed,
    MethodNotImplemented,
    TargetTooLong,
)
from talaria.domain.http import Headers
from talaria.entrypoints.public.server.framing import (
    FRAMING_FIELDS,
    NO_BODY,
    Framing,
    check_head_size,
    head_of,
    may_be_request_line,
    parse_error_to_refusal,
    read_framing,
    refused_line,
    strict_parser,
)

LENGTH, CHUNKED = (b"content-length", b"7"), (b"transfer-encoding", b"chunked")
EXPECT = (b"expect", b"100-continue")


@pytest.mark.parametrize(
    ("headers", "framing"),
    [
        ([], NO_BODY),
        ([(b"host", b"a"), (b"x-length", b"3")], NO_BODY),
        ([LENGTH], Framing(7)),
        ([(b"content-length", b"0")], Framing(0)),
        ([CHUNKED], Framing(chunked=True)),
        ([(b"transfer-encoding", b"Chunked")], Framing(chunked=True)),
        ([LENGTH, EXPECT], Framing(7, expects_continue=True)),
        ([LENGTH, (b"expect", b"100-Continue")], Framing(7, expects_continue=True)),
        ([LENGTH, (b"expect", b"100-continue, 100-continue")], Framing(7, expects_continue=True)),
        ([LENGTH, (b"expect", b"100-continue , ,\t100-continue")], Framing(7, expects_continue=True)),
        ([LENGTH, EXPECT, EXPECT], Framing(7, expects_continue=True)),
        ([LENGTH, (b"expect", b"")], Framing(7)),
        ([LENGTH, (b"expect", b" , ")], Framing(7)),
        ([LENGTH, EXPECT, (b"expect", b"")], Framing(7, expects_continue=True)),
    ],
)
def test_the_framing_of_a_head(headers: Headers, framing: Framing) -> None:
    assert read_framing(headers, http10=False) == framing


REFUSED: dict[str, tuple[Headers, bool]] = {
    "both framings": ([LENGTH, CHUNKED], False),
    "both framings, the other way round": ([CHUNKED, LENGTH], False),
    "another coding": ([(b"transfer-encoding", b"gzip, chunked")], False),
    "chunked twice": ([(b"transfer-encoding", b"chunked, chunked")], False),
    "a coding in HTTP/1.0": ([CHUNKED], True),
    "another expectation": ([(b"expect", b"200-ok")], False),
    "another expectation in a list": ([(b"expect", b"100-continue, x")], False),
    "another expectation in a second line": ([EXPECT, (b"expect", b"x")], False),
    "an expectation with a parameter": ([(b"expect", b"100-continue;q=1")], False),
    "another expectation in HTTP/1.0": ([(b"expect", b"x")], True),
}


@pytest.mark.parametrize(("headers", "http10"), REFUSED.values(), ids=REFUSED.keys())
def test_an_ambiguous_framing_and_an_unknown_expectation_are_refused(headers: Headers, http10: bool) -> None:
    assert isinstance(read_framing(headers, http10=http10).refusal, BadRequest)


def test_a_client_of_http_1_0_expects_nothing() -> None:
    assert read_framing([LENGTH, EXPECT], http10=True) == Framing(7)


def test_only_these_fields_frame() -> None:
    assert {b"content-length", b"transfer-encoding", b"expect"} == FRAMING_FIELDS


class Parsed:
    """What the parser calls."""

    def __init__(self) -> None:
        self.body = b""
        self.ended = 0

    def on_message_begin(self) -> None:
        """A head."""

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1


LAX = {
    "a bare LF": b"GET / HTTP/1.1\nhost: a\n\n",
    "a bare LF behind a header": b"GET / HTTP/1.1\r\nhost: a\n\r\n",
    "a bare CR": b"GET / HTTP/1.1\r\nhost: a\rx-a: b\r\n\r\n",
    "an unknown version": b"GET / HTTP/7.3\r\n\r\n",
    "a control character": b"GET / HTTP/1.1\r\nx-a: \x00\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nx-a : b\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
    "both framings": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
    "a space behind a chunk's size": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
    "a chunk without its CRLF": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx0\r\n\r\n",
    "a bare LF behind a chunk's size": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
    "a request behind the last one": b"GET / HTTP/1.1\r\nconnection: close\r\n\r\nGET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("data", LAX.values(), ids=LAX.keys())
def test_the_parser_is_strict(data: bytes) -> None:
    with pytest.raises(httptools.HttpParserError):
        strict_parser(Parsed()).feed_data(data)


@pytest.mark.parametrize(
    ("framing", "data"),
    [(Framing(5), b"hello"), (Framing(0), b""), (Framing(chunked=True), b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")],
)
def test_a_head_brings_a_parser_to_the_first_byte_of_the_body(framing: Framing, data: bytes) -> None:
    parsed = Parsed()
    parser = strict_parser(parsed)
    parser.feed_data(head_of(framing))
    if data:
        assert parsed.ended == 0
        parser.feed_data(data)
    assert (parsed.body, parsed.ended) == (b"hello" if data else b"", 1)


UNKNOWN = httptools.HttpParserInvalidMethodError()
MALFORMED, BAD_URL = httptools.HttpParserError(), httptools.HttpParserInvalidURLError()


@pytest.mark.parametrize(
    ("line", "may"),
    [
        (b"", False),
        (b"LIST", True),
        (b"\r\n\r\nLI", True),
        (b"LIST /", True),
        (b"LIST / HTTP/1.1\r", True),
        (b"LIST / HTTP/1.1\r\n", False),
        (b"LIST\r\n", False),
        (b"\x16\x03", False),
        (b"G@T", False),
        (b" LIST", False),
    ],
)
def test_what_may_still_become_a_request_line(line: bytes, may: bool) -> None:
    assert may_be_request_line(UNKNOWN, line) is may
    assert not may_be_request_line(MALFORMED, line)


@pytest.mark.parametrize(
    ("error", "method", "line", "refusal"),
    [
        (UNKNOWN, b"GET", b"LIST / HTTP/1.1\r\nhost: a", MethodNotImplemented),
        (UNKNOWN, b"GET", b"\r\nLIST  /  HTTP/1.0\r\n", MethodNotImplemented),
        (UNKNOWN, b"GET", b"LIST / HTTP/2.0\r\n", BadRequest),
        (UNKNOWN, b"GET", b"LIST HTTP/1.1\r\n", BadRequest),
        (UNKNOWN, b"GET", b"", BadRequest),
        (MALFORMED, b"GET", b"", BadRequest),
        (MALFORMED, b"DESCRIBE", b"", MethodNotImplemented),
        (MALFORMED, b"CONNECT", b"", MethodNotAllowed),
        (MALFORMED, b"PRI", b"", BadRequest),
        (BAD_URL, b"GET", b"", BadRequestTarget),
        (BAD_URL, b"CONNECT", b"", MethodNotAllowed),
    ],
)
def test_the_refusal_for_what_the_parser_does_not_take(
    error: httptools.HttpParserError, method: bytes, line: bytes, refusal: Callable[..., Exception]
) -> None:
    assert type(parse_error_to_refusal(error, method, line)) is refusal


LINE = b"GET /123456789 HTTP/1.1\r\n"
LINES = LINE + b"name: value\r\nx: \r\n"


@pytest.mark.parametrize(
    ("limit", "refusal"),
    [
        (len(LINE) - 1, TargetTooLong),
        (len(LINE), HeadersTooLarge),
        (len(LINES) - 1, HeadersTooLarge),
        (len(LINES), type(None)),
    ],
)
def test_the_size_of_a_head_by_its_parts(limit: int, refusal: type[object]) -> None:
    assert type(check_head_size(b"GET", b"/123456789", [(b"name", b"value"), (b"x", b"")], limit)) is refusal


END = b"\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", b""),
        (b"LIST / HTTP/1.1\r\n", b""),
        (b"x" + END, b""),
        (b"x" + END + b"GET / HTTP/1.1\r\n", b""),
        (b"x" + END + b"LIST / HTTP/1.1\r\nhost: a", b"LIST / HTTP/1.1\r\nhost: a"),
        (b"x" + END + b"LI", b""),
        (b"x" + END + b"BREW", b""),
        (b"x" + END + b"BREW /pot", b""),
        (b"x" + END + b"BREW\r\n", b""),
        (b"x" + END + b"B?EW / HTTP/1.1\r\n", b""),
        (b"x" + END + b"abc" + END + b"BREW / HTTP/1.1\r\n", b"BREW / HTTP/1.1\r\n"),
        (b"x" + END * 63 + b"BREW / HTTP/1.1\r\n", b"BREW / HTTP/1.1\r\n"),
        (b"x" + END * 65 + b"BREW / HTTP/1.1\r\n", b""),
    ],
)
def test_a_refused_line_behind_other_requests_is_found(data: bytes, line: bytes) -> None:
    assert refused_line(data) == line
