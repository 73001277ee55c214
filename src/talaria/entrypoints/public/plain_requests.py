"""Requests that are whole and plain, read by lines: a subset of what the server's parser takes, and read alike.

Rules:

1. What is not certain is not read: the answer is None, and the parser decides. So a line break that is none, a line of
   an odd form, a character beyond printable ASCII, a name twice that the gateway reads, a framing other than one
   `content-length`, an option of the connection other than keep-alive, a name that is about the connection: None.
   The value of `authorization` alone is not looked at: it is compared, by its digest, with what was verified.
2. A line that was read before is not read again. Lines are remembered of a few names alone, with values that many
   clients share; never a secret, never what is said of a person. The memory is bounded.
"""

from typing import Final

from talaria.adapters.http1.request_body import JOINED_AT_MOST
from talaria.domain.headers import HeaderPolicy
from talaria.domain.memo import BoundedMemo
from talaria.entrypoints.public.validation import TARGET_CHARACTERS

END: Final = b"\r\n\r\n"

_METHODS: Final = {name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_PLAIN_TARGET: Final = TARGET_CHARACTERS.translate(None, b"%.")
PRINTABLE: Final = bytes(range(0x20, 0x7F))
_READ: Final = frozenset(
    b"authorization host x-api-tag x-request-id traceparent content-length connection forwarded x-forwarded-for"
    b" x-forwarded-proto x-forwarded-host".split()
)
_LISTS: Final = frozenset({b"forwarded", b"x-forwarded-for"})
"""Several lines of such a name are one list (RFC 9110, 5.3)."""
REMEMBERED: Final = frozenset(
    b"accept accept-charset accept-encoding accept-language cache-control connection content-type dnt host origin"
    b" pragma user-agent x-api-tag x-forwarded-host x-forwarded-method x-forwarded-proto".split()
)
_LINES: Final = 2048
_NAMES: Final = 1024
_LONGEST: Final = 256

_SEEN, _SHARED, _UNUSUAL = range(3)
_Name = tuple[int, bytes, bytes]
"""One of these, the name where the gateway reads it, and what stands before the value where the line goes on."""
_Line = tuple[bytes, bytes]
"""The name and the value of a line that the gateway reads; or no name, and the line as it goes on, if it does."""

PlainRequest = tuple[str, bytes, list[bytes], dict[bytes, bytes], bytes, bytes]
"""A request as it was read: method, first line, the lines that go on, the values of the names that are read here, that
of `authorization`, the body.
"""


class PlainRequests:
    """Reads them, by this policy. `header_limit`, `body_limit` in bytes (0: none). `more`: names that are read too."""

    def __init__(self, policy: HeaderPolicy, body_limit: int, more: frozenset[bytes] = frozenset()) -> None:
        self._policy = policy
        self._read_names = _READ | more
        self._body_limit = min(body_limit or JOINED_AT_MOST, JOINED_AT_MOST)
        self._lines: BoundedMemo[bytes, _Line] = BoundedMemo(_LINES, _LONGEST)
        self._names: BoundedMemo[bytes, _Name] = BoundedMemo(_NAMES)

    def read(self, data: bytes, header_limit: int) -> PlainRequest | None:
        """The request that these bytes are, all of it and nothing more; None where the parser is to read them."""
        head, end, body = data.partition(END)
        if not end or len(head) + 4 > header_limit:
            return None
        start, *lines = head.split(b"\r\n")
        words = start.split(b" ")
        if len(words) != 3 or words[2] != b"HTTP/1.1":
            return None
        method, target = _METHODS.get(words[0]), words[1]
        if method is None or target[:1] != b"/" or (target.translate(None, _PLAIN_TARGET) and _is_unusual(target)):
            return None
        forwarded: list[bytes] = []
        read: dict[bytes, bytes] = {}
        values: list[bytes] = []
        known, names = self._lines, self._names
        for line in lines:
            found = known.get(line)
            if found is None:
                raw, _, value = line.partition(b":")
                kind, name, prefix = names.get(raw) or self._name(raw)
                value = value.strip(b" ")
                if kind == _UNUSUAL or not value:
                    return None
                if name != b"authorization":
                    values.append(value)
                if prefix:
                    value = prefix + value + b"\r\n"
                elif not name:
                    value = b""
                if kind == _SHARED and not line.translate(None, PRINTABLE):
                    known.remember(line, (name, value))
            else:
                name, value = found
            if not name:
                forwarded.append(value)
            elif name not in read:
                read[name] = value
            elif name in _LISTS:
                read[name] += b", " + value
            else:
                return None
        if values and b"".join(values).translate(None, PRINTABLE):
            return None
        if b"connection" in read and read[b"connection"].lower() != b"keep-alive":
            return None
        if body or b"content-length" in read:
            size = len(body)
            if read.get(b"content-length") != b"%d" % size or size > self._body_limit:
                return None
        authorization = read.get(b"authorization")
        if authorization is None:
            return None
        return method, start, forwarded, read, authorization, body

    def _name(self, raw: bytes) -> _Name:
        name = raw.lower()
        kind = _SHARED if name in REMEMBERED else _SEEN
        if name in self._read_names:
            return self._names.remember(raw, (kind, name, b""))
        if self._policy.forwards(name):
            return self._names.remember(raw, (kind, b"", name + b": "))
        return self._names.remember(raw, (kind if self._policy.ignores(name) else _UNUSUAL, b"", b""))


def _is_unusual(target: bytes) -> bool:
    """Is there more in it than characters of a target, or an escape or a segment that begins with a dot in its path?"""
    path = target.partition(b"?")[0]
    return target.translate(None, TARGET_CHARACTERS) != b"" or b"%" in path or b"/." in path
