"""Where the body of a response ends (RFC 9112, section 6.3): three body framings behind one interface.

The chunked coding (section 7.1) is decoded here and not by llhttp, which neither limits chunk extensions nor tells at
which byte the body ends; and what follows that byte must never become the next response.
"""

import re
from typing import Final, Protocol

from talaria.adapters.http1.errors import RemoteProtocolError

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

LINE_LIMIT: Final = 1024
EXTENSIONS_LIMIT: Final = 16 * 1024
TRAILERS_LIMIT: Final = 16 * 1024

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*((?:;[\t\x20-\x7e\x80-\xff]*)?)")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")

_SIZE: Final = 0
_DATA: Final = 1
_DATA_END: Final = 2
_TRAILERS: Final = 3
_DONE: Final = 4


class BodyReader(Protocol):
    """Takes the bytes after a head, however they are cut, and gives the content among them.

    `done`: the body is complete. `surplus`: bytes came after its end. `eof_terminated`: it ends with the connection.
    """

    done: bool
    surplus: bool
    eof_terminated: bool

    def feed(self, data: bytes) -> bytes:
        """The content among `data`.

        Raises RemoteProtocolError.
        """


class ContentLengthReader:
    """A `BodyReader` by `Content-Length`."""

    __slots__ = ("_left", "done", "eof_terminated", "surplus")

    def __init__(self, length: int) -> None:
        self.done = self.surplus = self.eof_terminated = False
        self._left = length

    def feed(self, data: bytes) -> bytes:
        content = data[: self._left]
        self.surplus = len(data) > self._left
        self._left -= len(content)
        self.done = not self._left
        return content


class UntilCloseReader:
    """A `BodyReader` up to the end of the connection."""

    __slots__ = ("done", "eof_terminated", "surplus")

    def __init__(self) -> None:
        self.done = self.surplus = False
        self.eof_terminated = True

    def feed(self, data: bytes) -> bytes:
        return data


class ChunkedReader:
    """A `BodyReader` of the chunked coding. Trailers are checked and dropped."""

    __slots__ = ("_expects", "_extensions", "_held", "_left", "_trailers", "done", "eof_terminated", "surplus")

    def __init__(self) -> None:
        self.done = self.surplus = self.eof_terminated = False
        self._expects = _SIZE
        self._left = 0
        self._held = b""
        self._extensions = self._trailers = 0

    def feed(self, data: bytes) -> bytes:
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and self._expects != _DONE:
            at = self._content(data, at, pieces) if self._expects == _DATA else self._frame(data, at)
        if self._expects == _DONE:
            self.done = True
            self.surplus = self.surplus or at < len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _content(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Content begins at `at`; where it ends."""
        piece = data[at : at + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._expects = _DATA_END
        return at + len(piece)

    def _frame(self, data: bytes, at: int) -> int:
        """A line begins at `at`; where the next one begins."""
        end = data.find(b"\r\n", at)
        if end < 0:
            self._hold(data[at:])
            return len(data)
        self._line(data[at:end])
        return end + 2

    def _hold(self, rest: bytes) -> None:
        """Keep a line that has begun; what can't become a good one is refused at once, without waiting for its end."""
        begun = rest.removesuffix(b"\r")
        if self._expects == _DATA_END:
            good = not begun
        elif self._expects == _SIZE:
            good = not begun or (_CHUNK_LINE.fullmatch(begun) is not None and len(begun) <= LINE_LIMIT)
        else:
            good = b"\n" not in begun and self._trailers + len(begun) <= TRAILERS_LIMIT
        if not good:
            raise RemoteProtocolError("malformed chunk")
        self._held = rest

    def _line(self, line: bytes) -> None:
        if self._expects == _SIZE:
            self._size(line)
        elif self._expects == _TRAILERS:
            self._trailer(line)
        elif line:
            raise RemoteProtocolError("malformed chunk")
        else:
            self._expects = _SIZE

    def _size(self, line: bytes) -> None:
        match = _CHUNK_LINE.fullmatch(line)
        if match is None or len(line) > LINE_LIMIT:
            raise RemoteProtocolError("malformed chunk")
        self._extensions += len(match[2])
        if self._extensions > EXTENSIONS_LIMIT:
            raise RemoteProtocolError("too many chunk extensions")
        self._left = int(match[1], 16)
        self._expects = _DATA if self._left else _TRAILERS

    def _trailer(self, line: bytes) -> None:
        if not line:
            self._expects = _DONE
            return
        self._trailers += len(line) + 2
        if self._trailers > TRAILERS_LIMIT or _TRAILER.fullmatch(line) is None:
            raise RemoteProtocolError("malformed trailers")


def body_reader(length: int) -> BodyReader:
    """The reader of a body of `length` bytes, or CHUNKED or UNTIL_CLOSE."""
    if length == CHUNKED:
        return ChunkedReader()
    return UntilCloseReader() if length == UNTIL_CLOSE else ContentLengthReader(length)
