"""Responses that are whole and plain, read by lines: a subset of what `response_head` takes, and read alike.

Rules:

1. What is not certain is not read: the answer is None, and the strict reader decides. Read are HTTP/1.1, a final status
   that is no error and has a body, one `content-length`, `connection: keep-alive` alone, printable ASCII, and exactly
   as many bytes as the length says.
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
_LINES: Final = 2048
_LONGEST: Final = 256
_LENGTH_DIGITS: Final = 15

_FORWARDED, _LENGTH, _DATE, _DROPPED = range(4)
_NOT_FORWARDED: Final = frozenset({b"keep-alive", b"x-request-id"})
"""Dropped for each response, without a further meaning."""
_Read = tuple[int, int, bytes]
"""One of the four, the length where it is one, and the line as it goes on."""
_NOTHING: Final[_Read] = (_DROPPED, 0, b"")


class Receiver(Protocol):
    """Takes a response as it arrives: the owner of a request that was begun by `begin_for`."""

    def receive(self, data: bytes) -> bool:
        """The first bytes of the response. True: they are all of it, and taken; False: `leave` follows."""
        ...

    def leave(self) -> None:
        """Take no more: call `Connection.wait` in this very moment."""
        ...


PlainResponse = tuple[int, list[bytes], bool, bytes]
"""A response as it was read: its status, the lines that go on, whether a `date` is among them, and its body."""


class PlainResponses:
    """Reads them. `forwards` gives whether a response's header of this name, in lower case, goes on to the client."""

    def __init__(self, forwards: Callable[[bytes], bool]) -> None:
        self._forwards = forwards
        self._lines: BoundedMemo[bytes, _Read] = BoundedMemo(_LINES, _LONGEST)

    def read(self, data: bytes, secrets: tuple[bytes, ...]) -> PlainResponse | None:
        """The response that these bytes are, all of it and nothing more, without any of the `secrets` in its head;
        None where the strict reader is to read them.
        """
        end = data.find(HEAD_END)
        if end < 0:
            return None
        for secret in secrets:
            if data.find(secret, 0, end) >= 0:
                return None
        start, *lines = data[:end].split(b"\r\n")
        status = _STATUSES.get(start[:13])
        if status is None or len(lines) > HEADER_COUNT_LIMIT or start.translate(None, _PRINTABLE):
            return None
        forwarded: list[bytes] = []
        length, dated = -1, False
        known = self._lines
        for line in lines:
            found = known.get(line) or self._read(line)
            if found is None:
                return None
            kind, number, sent = found
            if kind == _DROPPED:
                continue
            if kind == _LENGTH:
                if length >= 0:
                    return None
                length = number
            elif kind == _DATE:
                dated = True
            forwarded.append(sent)
        if length < 0 or end + 4 + length != len(data):
            return None
        return status, forwarded, dated, data[end + 4 :]

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
            return _NOTHING if value.lower() == b"keep-alive" else None
        if name in _NOT_FORWARDED:
            return _NOTHING
        if not self._forwards(name):
            return None
        return (_DATE if name == b"date" else _FORWARDED, 0, sent)


_STATUSES: Final = {b"HTTP/1.1 %d " % status: status for status in range(200, 400) if status not in (204, 304)}
