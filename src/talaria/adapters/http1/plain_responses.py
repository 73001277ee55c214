"""Responses that are whole and plain, read by lines: a subset of what `response_head` takes, and read alike.

Rules:

1. What is not certain is not read: the answer is None, and the strict reader decides. Read are HTTP/1.1, a final status
   that is no error and has a body, `connection: keep-alive` alone, printable ASCII, and one framing: a `content-length`
   that not one byte goes beyond, or chunks that are whole, without extensions and trailers.
2. A line that was read before is not read again. Lines are remembered of a few names alone, with values that many
   responses share; never a cookie, never what is said of a person. The memory is bounded.
"""

from collections.abc import Callable
from typing import Final, Protocol

from talaria.adapters.http1.response_head import HEAD_END, HEADER_COUNT_LIMIT
from talaria.domain.memo import BoundedMemo

_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_NAME_CHARACTERS: Final = b"abcdefghijklmnopqrstuvwxyz0123456789-"
_REMEMBERED: Final = frozenset(
    b"accept-ranges access-control-allow-credentials access-control-allow-headers access-control-allow-methods"
    b" access-control-allow-origin cache-control connection content-encoding content-language content-length"
    b" content-type date expires pragma server strict-transport-security vary x-content-type-options"
    b" x-frame-options".split()
)
_STARTS: Final = 256
_LINES: Final = 2048
_LONGEST: Final = 256
_LENGTH_DIGITS: Final = 15
_CHUNK_DIGITS: Final = 6
_HEXADECIMAL: Final = b"0123456789abcdefABCDEF"

_ORDINARY, _DATE, _LENGTH, _CHUNKED = range(4)
_NOT_FORWARDED: Final = frozenset({b"keep-alive", b"x-request-id"})
"""Dropped for each response, without a further meaning."""
_Read = tuple[int, int, bytes]
"""One of the four, the length where it is one, and the line as it goes on: empty where it does not."""
_DROPPED: Final[_Read] = (_ORDINARY, 0, b"")


class Receiver(Protocol):
    """Takes a response as it arrives: the owner of a request that was begun by `begin_for`.

    It ends by calling `Connection.end`, or `Connection.wait` with all that it was given.
    """

    def receive(self, data: bytes) -> None:
        """Bytes of the response."""

    def leave(self) -> None:
        """Call `Connection.wait` in this very moment."""


PlainResponse = tuple[int, list[bytes], bool, bool, bytes, int]
"""A response as it was read: status, the lines that go on, whether a `date` and a length are among them, its body, and
how many bytes of that are yet to come.
"""


class PlainResponses:
    """Reads them. `forwards` gives whether a response's header of this name, in lower case, goes on to the client."""

    def __init__(self, forwards: Callable[[bytes], bool]) -> None:
        self._forwards = forwards
        self._starts: BoundedMemo[bytes, int] = BoundedMemo(_STARTS)
        self._lines: BoundedMemo[bytes, _Read] = BoundedMemo(_LINES, _LONGEST)

    def read(self, data: bytes, secrets: tuple[bytes, ...]) -> PlainResponse | None:
        """The response that these bytes are, or begin, and nothing more, without any of the `secrets` in its head; None
        where the strict reader is to read them.
        """
        head, end, body = data.partition(HEAD_END)
        if not end:
            return None
        for secret in secrets:
            if secret in head:
                return None
        start, *lines = head.split(b"\r\n")
        status = self._starts.get(start) or self._status(start)
        if not status or len(lines) > HEADER_COUNT_LIMIT:
            return None
        forwarded: list[bytes] = []
        length, dated, chunked = -1, False, False
        known = self._lines
        for line in lines:
            found = known.get(line) or self._read(line)
            if found is None:
                return None
            kind, number, sent = found
            if sent:
                forwarded.append(sent)
            if kind == _ORDINARY:
                continue
            if kind == _DATE:
                dated = True
            elif kind == _LENGTH:
                if length >= 0:
                    return None
                length = number
            elif chunked:
                return None
            else:
                chunked = True
        if chunked:
            content = _content_of(body) if length < 0 else None
            return None if content is None else (status, forwarded, dated, False, content, 0)
        missing = length - len(body)
        if missing < 0:
            return None
        return status, forwarded, dated, True, body, missing

    def _status(self, start: bytes) -> int:
        """That of a first line; 0 for one that is not plain."""
        plain = not start.translate(None, _PRINTABLE)
        return self._starts.remember(start, _STATUSES.get(start[:13], 0) if plain else 0)

    def _read(self, line: bytes) -> _Read | None:
        raw, _, value = line.partition(b":")
        name, value = raw.lower(), value.strip(b" ")
        if not name or name.translate(None, _NAME_CHARACTERS) or not value or value.translate(None, _PRINTABLE):
            return None
        found = self._kind(name, value)
        if found is None or name not in _REMEMBERED:
            return found
        return self._lines.remember(line, found)

    def _kind(self, name: bytes, value: bytes) -> _Read | None:
        sent = b"%b: %b\r\n" % (name, value)
        if name == b"content-length":
            plain = value.isdigit() and len(value) <= _LENGTH_DIGITS
            return (_LENGTH, int(value), sent) if plain else None
        if name == b"connection":
            return _DROPPED if value.lower() == b"keep-alive" else None
        if name in _NOT_FORWARDED:
            return _DROPPED
        if name == b"transfer-encoding":
            return (_CHUNKED, 0, b"") if value.lower() == b"chunked" else None
        if not self._forwards(name):
            return None
        return (_DATE if name == b"date" else _ORDINARY, 0, sent)


def continued(response: PlainResponse, data: bytes) -> PlainResponse | None:
    """The same response with more of its body; None where that goes beyond its end."""
    status, lines, dated, sized, body, missing = response
    left = missing - len(data)
    return None if left < 0 else (status, lines, dated, sized, body + data, left)


_STATUSES: Final = {b"HTTP/1.1 %d " % status: status for status in range(200, 400) if status not in (204, 304)}


def _content_of(chunks: bytes) -> bytes | None:
    """What whole chunks hold; None for anything else, a chunk extension and a trailer too."""
    content, at = b"", 0
    while True:
        end = chunks.find(b"\r\n", at)
        digits = chunks[at:end]
        if not 0 < end - at <= _CHUNK_DIGITS or digits.translate(None, _HEXADECIMAL):
            return None
        at = end + 2 + int(digits, 16)
        content += chunks[end + 2 : at]
        if chunks[at : at + 2] != b"\r\n":
            return None
        at += 2
        if at == end + 4:
            return content if at == len(chunks) else None
