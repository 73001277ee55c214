"""The head of a response, read strictly (RFC 9112): what two programs could read differently is refused.

httptools (llhttp) refuses most: a bare CR or LF, obs-fold, NUL, white space before a colon, two lengths, a length
beside a transfer coding. What it lets pass is checked here: the version, a status outside 100-599, control characters
in the reason, any coding but one `chunked`, sizes and counts.
"""

import re
from typing import Final

import httptools

from talaria.adapters.http1.body_framing import CHUNKED, UNTIL_CLOSE
from talaria.adapters.http1.errors import RemoteProtocolError
from talaria.domain.headers import connection_options
from talaria.domain.http import BODYLESS_STATUSES, Headers
from talaria.domain.memo import BoundedMemo

HEAD_END: Final = b"\r\n\r\n"
HEAD_LIMIT: Final = 64 * 1024
HEADER_COUNT_LIMIT: Final = 200
INTERIM_LIMIT: Final = 20

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_STATUS_LINE_START = b"HTTP/1."
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_MEMO_SIZE = 1024

_names: BoundedMemo[bytes, bytes] = BoundedMemo(_MEMO_SIZE)
_status_lines: BoundedMemo[bytes, tuple[int, bool]] = BoundedMemo(_MEMO_SIZE)


class ResponseHead:
    """Status, headers and framing of a response.

    `length` is the length of the body that follows, CHUNKED or UNTIL_CLOSE; `keep_alive` says whether the connection
    may carry another request. The methods are httptools' callbacks.
    """

    __slots__ = ("_closes", "_coded", "_keeps", "_length", "headers", "keep_alive", "length", "status", "violation")

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        self.length = UNTIL_CLOSE
        self.keep_alive = False
        self.violation = ""
        self._length = -1
        self._coded = self._closes = self._keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line. Framing is never among the memoized names, so that others pay nothing for it."""
        lower = _names.get(name)
        if lower is None:
            lower = name.lower()
            if lower in _FRAMING:
                self._note_framing(lower, value.rstrip(b" \t"))
                return
            _names.remember(name, lower)
        self.headers.append((lower, value.rstrip(b" \t")))

    def _note_framing(self, name: bytes, value: bytes) -> None:
        if name == b"transfer-encoding":
            if self._coded or value.lower() != b"chunked":
                self.violation = "a transfer coding other than chunked"
            self._coded = True
            return
        self.headers.append((name, value))
        if name == b"content-length":
            self._length = int(value)
        elif value == b"keep-alive":
            self._keeps = True
        else:
            options = connection_options([value])
            self._closes = self._closes or b"close" in options
            self._keeps = self._keeps or b"keep-alive" in options

    def settle(self, status: int, is_1_1: bool, to_head: bool) -> None:
        """Decide on framing and keep-alive, once all headers are there (RFC 9112, sections 6.3 and 9.3)."""
        self.status = status
        if self._coded and not is_1_1:
            self.violation = "a transfer coding in HTTP/1.0"
        if status == 204:  # it has no body and no length, whatever it says (RFC 9110, section 8.6)
            self.headers = [header for header in self.headers if header[0] != b"content-length"]
        if to_head or status < 200 or status in BODYLESS_STATUSES:
            self.length = 0
        elif self._coded:
            self.length = CHUNKED
        else:
            self.length = self._length if self._length >= 0 else UNTIL_CLOSE
        self.keep_alive = (is_1_1 or self._keeps) and not self._closes and self.length != UNTIL_CLOSE


def parse_head(raw: bytes, to_head: bool) -> ResponseHead:
    """The head in the bytes of `raw`, the empty line included; `to_head`: it responds to a HEAD.

    Raises RemoteProtocolError.
    """
    if len(raw) > HEAD_LIMIT:
        raise RemoteProtocolError("head too large")
    line = raw[: raw.find(b"\r")]
    status, is_1_1 = _status_lines.get(line) or _read_status_line(line)
    head = ResponseHead()
    try:
        httptools.HttpResponseParser(head).feed_data(raw)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        raise RemoteProtocolError("malformed head: " + _reason(error)) from None
    head.settle(status, is_1_1, to_head)
    if head.violation:
        raise RemoteProtocolError(head.violation)
    if len(head.headers) > HEADER_COUNT_LIMIT:
        raise RemoteProtocolError("too many headers")
    return head


def _reason(error: Exception) -> str:
    """llhttp's own words; they never hold bytes of the response."""
    return "upgrade" if isinstance(error, httptools.HttpParserUpgrade) else str(error)


def _read_status_line(line: bytes) -> tuple[int, bool]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError("malformed status line")
    status = int(match[2])
    if status == 101:
        raise RemoteProtocolError("101: no switch of protocols was asked for")
    return _status_lines.remember(line, (status, match[1] == b"1"))


class ResponseHeadParser:
    """Finds the final head among the bytes of a connection, however they are cut. Interim heads (1xx) are skipped."""

    __slots__ = ("_held", "_interims")

    def __init__(self) -> None:
        self._held: bytearray | None = None
        self._interims = 0

    def read(self, data: bytes, to_head: bool) -> tuple[ResponseHead, bytes] | None:
        """The final head and the bytes after it, once it is complete; `to_head`: it responds to a HEAD.

        Raises RemoteProtocolError.
        """
        while data:
            end = data.find(HEAD_END) if self._held is None else -1
            if end < 0:
                gathered = self._gather(data)
                if gathered is None:
                    return None
                data, end = gathered, gathered.find(HEAD_END)
            end += 4
            head = parse_head(data[:end], to_head)
            data = data[end:]
            if head.status >= 200:
                self._interims = 0
                return head, data
            self._interims += 1
            if self._interims > INTERIM_LIMIT:
                raise RemoteProtocolError("too many interim responses")
        return None

    def _gather(self, data: bytes) -> bytes | None:
        """All bytes so far, once the end of a head is among them; refuses early what can't become a head."""
        held = self._held = bytearray() if self._held is None else self._held
        before = max(0, len(held) - 3)
        line_start = len(held) - held.endswith(b"\r")
        held += data
        if held.find(HEAD_END, before) >= 0:
            self._held = None
            return bytes(held)
        if len(held) > HEAD_LIMIT:
            raise RemoteProtocolError("head too large")
        if not held.startswith(_STATUS_LINE_START[: len(held)]):
            raise RemoteProtocolError("malformed status line")
        if held.count(b"\n", line_start) != held.count(b"\r\n", line_start):
            raise RemoteProtocolError("malformed head: bare LF")
        return None
