"""How a head frames its body (RFC 9112, section 6), and what a head that can't be read is refused with.

The parser is strict: none of llhttp's leniencies is on, and what it tolerates by itself (a transfer coding in front of
`chunked`, a coding in HTTP/1.0) is refused here. What follows a request with `connection: close` is an error to it.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import httptools

from talaria.domain.errors import (
    BadRequest,
    BadRequestTarget,
    HeadersTooLarge,
    MethodNotImplemented,
    Refusal,
    TargetTooLong,
)
from talaria.domain.http import Headers
from talaria.domain.routing import check_known_method

FRAMING_FIELDS: Final = frozenset({b"content-length", b"transfer-encoding", b"expect"})
_CONTINUE: Final = b"100-continue"
_TOKEN: Final = rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE: Final = re.compile(_TOKEN + rb" +[^\r\n]+ HTTP/1\.[01]\r\n")
_UNFINISHED_LINE: Final = re.compile(_TOKEN + rb"(?: [^\r\n]*\r?)?")
_PREFACE: Final = b"PRI"
"""The method of HTTP/2's connection preface, which is no method at all."""
_EMPTY_LINE: Final = b"\r\n\r\n"
_REST_OF_LINE: Final = len(b"  HTTP/1.1\r\n")
_LONGEST_METHOD: Final = 32
_LINES_LOOKED_AT: Final = 64
_LENIENCIES: Final = [
    "lenient_headers",
    "lenient_chunked_length",
    "lenient_keep_alive",
    "lenient_transfer_encoding",
    "lenient_version",
    "lenient_data_after_close",
    "lenient_optional_lf_after_cr",
    "lenient_optional_cr_before_lf",
    "lenient_optional_crlf_after_chunk",
    "lenient_spaces_after_chunk_size",
]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client's connection may take: `header_limit` in bytes, the times in seconds."""

    header_limit: int
    header_timeout: float
    keepalive_timeout: float


class Framing(NamedTuple):
    """A body's framing: by `length` in bytes, `chunked`, or no body at all.

    `expects_continue`: the client waits for a 100 before it sends the body. `refusal`: the framing is ambiguous, or an
    expectation can't be met; nothing behind such a head may be read.
    """

    length: int | None = None
    chunked: bool = False
    expects_continue: bool = False
    refusal: Refusal | None = None


NO_BODY: Final = Framing()


def read_framing(headers: Headers, *, http10: bool) -> Framing:
    """The framing that these header lines declare; names in lower case, the others are skipped.

    The parser has checked that a length is a number and the only one.
    """
    length: int | None = None
    chunked = expects_continue = False
    refusal: Refusal | None = None
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name == b"transfer-encoding":
            chunked = True
            if http10 or value.lower() != b"chunked":
                refusal = BadRequest("a transfer coding other than chunked, or in HTTP/1.0")
        elif name == b"expect":
            expectations = {element.strip(b" \t").lower() for element in value.split(b",")} - {b""}
            if expectations - {_CONTINUE}:
                refusal = BadRequest("an expectation that can't be met")
            expects_continue = expects_continue or (bool(expectations) and not http10)
    if chunked and length is not None:
        refusal = BadRequest("ambiguous framing")
    return Framing(length, chunked, expects_continue, refusal)


def strict_parser(callbacks: Any) -> httptools.HttpRequestParser:
    """A parser of requests that calls the methods `on_...` of `callbacks`."""
    parser = httptools.HttpRequestParser(callbacks)
    parser.set_dangerous_leniencies(**dict.fromkeys(_LENIENCIES, False))
    return parser


def head_of(framing: Framing) -> bytes:
    """A head with this framing and nothing else: it brings a new parser to the first byte of the body."""
    line = b"transfer-encoding: chunked" if framing.chunked else b"content-length: %d" % (framing.length or 0)
    return b"POST / HTTP/1.1\r\n%b\r\n\r\n" % line


def refused_line(data: bytes) -> bytes:
    """What the parser refused behind other requests: from the first request line on, behind an empty line, with a
    method that it does not know. Empty where there is none.
    """
    at = 0
    for _ in range(_LINES_LOOKED_AT):
        at = data.find(_EMPTY_LINE, at) + len(_EMPTY_LINE)
        if at < len(_EMPTY_LINE):
            break
        line = data[at : data.find(b"\n", at) + 1 or None]
        try:
            strict_parser(None).feed_data(line[:_LONGEST_METHOD])
        except httptools.HttpParserInvalidMethodError:
            if _REQUEST_LINE.match(line):
                return data[at:]
        except httptools.HttpParserError:
            continue
    return b""


def may_be_request_line(error: httptools.HttpParserError, line: bytes) -> bool:
    """Has the parser met a method that it does not know, in what may still become a request line?"""
    unknown_method = isinstance(error, httptools.HttpParserInvalidMethodError)
    return unknown_method and _UNFINISHED_LINE.fullmatch(line) is not None


def parse_error_to_refusal(error: httptools.HttpParserError, method: bytes, line: bytes) -> Refusal:
    """For a head that the parser does not take. `method` is the one that it read, `line` begins the head.

    A method that no route takes is refused as such, whatever its target. The parser reads methods of RTSP, but not in
    front of HTTP.
    """
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return MethodNotImplemented() if _REQUEST_LINE.match(line) else BadRequest("no request line")
    try:
        if method != _PREFACE:
            check_known_method(method.decode("ascii"))
    except Refusal as refusal:
        return refusal
    is_target = isinstance(error, httptools.HttpParserInvalidURLError)
    return BadRequestTarget() if is_target else BadRequest(type(error).__name__)


def check_head_size(method: bytes, target: bytes, headers: Headers, limit: int) -> Refusal | None:
    """The refusal of a head over `limit` bytes, counted by its parts: it came in one piece with other bytes."""
    line = len(method) + len(target) + _REST_OF_LINE
    if line > limit:
        return TargetTooLong()
    size = line + sum(len(name) + len(value) + 4 for name, value in headers)
    return HeadersTooLarge() if size > limit else None
