"""Requests that are whole and plain, read by lines: a subset of what the server's parser takes, and read alike.

Rules:

1. What is not certain is not read: the answer is None, and the parser decides. So a line break that is none, a line of
   an odd form, a character beyond printable ASCII, a name twice that the gateway reads, a framing other than one
   `content-length`, an option of the connection other than keep-alive, a name that is about the connection: None.
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
_BEARER: Final = b"authorization: bearer "
_UNUSUAL: Final = b"?"
PRINTABLE: Final = bytes(range(0x20, 0x7F))
_READ: Final = frozenset(
    b"host x-api-tag x-request-id traceparent content-length connection forwarded x-forwarded-for x-forwarded-proto"
    b" x-forwarded-host".split()
)
_LISTS: Final = frozenset({b"forwarded", b"x-forwarded-for"})
"""Several lines of such a name are one list (RFC 9110, 5.3)."""
_REMEMBERED: Final = frozenset(
    b"accept accept-charset accept-encoding accept-language cache-control connection content-type dnt host origin"
    b" pragma user-agent x-api-tag x-forwarded-host x-forwarded-method x-forwarded-proto".split()
)
_LINES: Final = 2048
_NAMES: Final = 1024
_LONGEST: Final = 256

_Read = tuple[bytes, bytes]
"""The name and the value of a line that the gateway reads; or no name, and the line as it goes on, if it does."""


PlainRequest = tuple[str, bytes, list[bytes], dict[bytes, bytes], bytes, bytes]
"""A request as it was read: method, first line, the lines that go on, the values of the names that are read here, the
caller's token, the body.
"""


class PlainRequests:
    """Reads them, by this policy. `header_limit`, `body_limit` in bytes (0: none). `more`: names that are read too."""

    def __init__(self, policy: HeaderPolicy, body_limit: int, more: frozenset[bytes] = frozenset()) -> None:
        self._policy = policy
        self._read_names = _READ | more
        self._body_limit = min(body_limit or JOINED_AT_MOST, JOINED_AT_MOST)
        self._lines: BoundedMemo[bytes, _Read] = BoundedMemo(_LINES, _LONGEST)
        self._names: BoundedMemo[bytes, bytes] = BoundedMemo(_NAMES)

    def read(self, data: bytes, header_limit: int) -> PlainRequest | None:
        """The request that these bytes are, all of it and nothing more; None where the parser is to read them."""
        end = data.find(END)
        if end < 0 or end + 4 > header_limit:
            return None
        start, *lines = data[:end].split(b"\r\n")
        words = start.split(b" ")
        if len(words) != 3 or words[2] != b"HTTP/1.1":
            return None
        method, target = _METHODS.get(words[0]), words[1]
        if method is None or target[:1] != b"/" or target.translate(None, TARGET_CHARACTERS):
            return None
        if target.find(b"%") >= 0 or target.find(b"/.") >= 0:
            path = target.partition(b"?")[0]
            if path.find(b"%") >= 0 or path.find(b"/.") >= 0:
                return None
        forwarded: list[bytes] = []
        read: dict[bytes, bytes] = {}
        token = b""
        known = self._lines
        for line in lines:
            found = known.get(line)
            if found is None:
                if not token and line[:22].lower() == _BEARER and line[22:]:
                    token = line[22:]
                    continue
                found = self._read(line)
                if found is None:
                    return None
            name, value = found
            if not name:
                forwarded.append(value)
            elif name not in read:
                read[name] = value
            elif name in _LISTS:
                read[name] += b", " + value
            else:
                return None
        body = data[end + 4 :]
        if body or b"content-length" in read:
            size = len(body)
            if read.get(b"content-length") != b"%d" % size or size > self._body_limit:
                return None
        if not token:
            return None
        return method, start, forwarded, read, token, body

    def _read(self, line: bytes) -> _Read | None:
        raw, _, value = line.partition(b":")
        name = self._names.get(raw) or self._name(raw)
        value = value.strip(b" ")
        if name == _UNUSUAL or not value or value.translate(None, PRINTABLE):
            return None
        if name in self._read_names:
            if name == b"connection" and value.lower() != b"keep-alive":
                return None
            found = (name, value)
        else:
            found = (b"", b"%b: %b\r\n" % (name, value) if self._policy.forwards(name) else b"")
        return self._lines.remember(line, found) if name in _REMEMBERED else found

    def _name(self, raw: bytes) -> bytes:
        """In lower case; _UNUSUAL for one that only the parser may read."""
        name = raw.lower()
        plain = name in self._read_names or self._policy.forwards(name) or self._policy.ignores(name)
        return self._names.remember(raw, name if plain else _UNUSUAL)
