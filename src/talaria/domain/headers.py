"""Header policy: which headers of a request go on, which the gateway reads itself, which of a response come back.

One pass over the headers of a request, one over those of its response. What a client may not set is decided by the
canonical name, which no spelling escapes: lower case, letters and digits only. A name with any other character than
letters, digits and dashes is dropped, for some servers fold it into a dash.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from talaria.domain.errors import BadRequest
from talaria.domain.http import Header, Headers
from talaria.domain.memo import BoundedMemo
from talaria.domain.model import Partner

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade http2-settings".split()
)
_CONSUMED = frozenset(
    b"x-api-tag authorization host connection x-request-id traceparent tracestate via content-length forwarded"
    b" x-forwarded-for x-forwarded-proto x-forwarded-host x-request-timeout-ms x-api-key".split()
)
_OF_THE_CONNECTION = _HOP_BY_HOP | {b"expect"}
_RESERVED = _CONSUMED | _OF_THE_CONNECTION
_OF_AN_EDGE = frozenset({b"connection", b"upgrade", b"transfer-encoding", b"expect"})
"""What an edge proxy says anew to the upstream. It may pass the others on."""
_SECRET_IN_RESPONSE = frozenset({b"authorization", b"x-api-key"})
_PREFIX = b"xtalaria"

_NAME_CHARACTERS = b"abcdefghijklmnopqrstuvwxyz0123456789-"
_REQUEST_ID_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_NOT_CANONICAL = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"))
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._~-]{1,255})(?::([0-9]{0,5}))?")
"""No longer than a name can be (RFC 1123, 2.1), for much is kept by it."""
_EMPTY_ELEMENT = re.compile(rb"(?:^|,)[ \t]*+(?:,|$)")
# Quoted strings and comments are swallowed whole: a comma inside is no delimiter (RFC 9110, 5.6.4 and 5.6.5).
_ELEMENT = re.compile(rb"""(?:"(?:[^"\\]|\\.)*+(?:"|$)|\((?:[^()\\]|\\.)*+(?:\)|$)|[^,])++""")
_VIA = (b"via", b"1.1 talaria")
_HOSTS = 1024
_PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})

_FORWARD: Final = 1
_DROP: Final = 2
_CONSUME: Final = 3
_VERDICTS = 4096


def canonical_name(name: bytes) -> bytes:
    """The form in which header names are compared: lower-case letters and digits only."""
    return name.lower().translate(None, _NOT_CANONICAL)


@dataclass(slots=True)
class RequestHeaders:
    """A request's headers, sorted.

    `forwarded` go on as they are. `consumed` are read by the gateway: the first line of each name; the further lines of
    a name are in `repeated`.
    """

    forwarded: Headers = field(repr=False)
    consumed: dict[bytes, bytes] = field(repr=False)
    repeated: dict[bytes, list[bytes]] = field(default_factory=dict, repr=False)

    def all(self, name: bytes) -> list[bytes]:
        """Every line of this name, in order."""
        first = self.consumed.get(name)
        return [] if first is None else [first, *self.repeated.get(name, ())]

    def only(self, name: bytes) -> bytes | None:
        """The value where there is exactly one line of this name."""
        return None if name in self.repeated else self.consumed.get(name)


class HeaderPolicy:
    """Knows every name that the gateway sets or reserves, and remembers what it decided of a name, bounded."""

    def __init__(self, partners: Iterable[Partner], *, pass_baggage: bool = False) -> None:
        user_ids = {canonical_name(partner.user_id_header) for partner in partners}
        user_ids |= {canonical_name(b"x-" + partner.id.encode() + b"-user-id") for partner in partners}
        self._reserved = {canonical_name(name) for name in _RESERVED} | user_ids
        if not pass_baggage:
            self._reserved.add(b"baggage")
        self._secret = {canonical_name(name) for name in _SECRET_IN_RESPONSE} | user_ids
        self._requests: BoundedMemo[bytes, int] = BoundedMemo(_VERDICTS)
        self._responses: BoundedMemo[bytes, int] = BoundedMemo(_VERDICTS)
        self._hosts: BoundedMemo[bytes, bool] = BoundedMemo(_HOSTS)

    def filter_request(self, headers: Headers) -> RequestHeaders:
        """The headers of a request, sorted.

        Raises BadRequest unless there is exactly one well-formed `host`.
        """
        forwarded: Headers = []
        consumed: dict[bytes, bytes] = {}
        head = RequestHeaders(forwarded, consumed)
        verdicts = self._requests
        for header in headers:
            verdict = verdicts.get(header[0]) or self._classify(header[0])
            if verdict == _FORWARD:
                forwarded.append(header)
            elif verdict == _CONSUME:
                name, value = header
                if name in consumed:
                    head.repeated.setdefault(name, []).append(value)
                else:
                    consumed[name] = value
        if consumed.get(b"host", b"") not in self._hosts or b"host" in head.repeated:
            check_host(head.all(b"host"))
            self._hosts.remember(consumed[b"host"], True)
        if consumed.get(b"connection", b"close") not in _PLAIN_CONNECTION or b"connection" in head.repeated:
            head.forwarded = _without(forwarded, connection_options(head.all(b"connection")))
        return head

    def forwards(self, name: bytes) -> bool:
        """Does a request's header of this name go on as it is?"""
        return self._verdict(name) == _FORWARD

    def ignores(self, name: bytes) -> bool:
        """Is a request's header of this name dropped, and that is all? Not so where it is about its connection."""
        plain = name != b"" and not name.translate(None, _NAME_CHARACTERS)
        return plain and name not in _OF_THE_CONNECTION and self._verdict(name) == _DROP

    def forwards_response(self, name: bytes) -> bool:
        """Does a response's header of this name go on as it is?"""
        return (self._responses.get(name) or self._classify_response(name)) == _FORWARD

    def dropped_names(self, headers: Headers) -> list[bytes]:
        """The names among these that are never passed on, but for those that an edge proxy sees to itself."""
        return [name for name, _ in headers if name not in _OF_AN_EDGE and self._verdict(name) == _DROP]

    def filter_response(self, headers: Headers, token: bytes, api_key: bytes) -> Headers:
        """The headers of a response that the client may see: each line its own, in order.

        No line may carry the service token or the API key (empty where there is none), whatever its name.
        """
        kept: Headers = []
        verdicts = self._responses
        shortest = min(len(api_key) or len(token), len(token))
        connection: list[bytes] = []
        for header in headers:
            name, value = header
            if (verdicts.get(name) or self._classify_response(name)) == _FORWARD:
                if len(value) < shortest or not (token in value or (api_key and api_key in value)):
                    kept.append(header)
            elif name == b"connection":
                connection.append(value)
        if connection and (len(connection) > 1 or connection[0] not in _PLAIN_CONNECTION):
            return _without(kept, connection_options(connection) - {b"content-length", b"date"})
        return kept

    def _verdict(self, name: bytes) -> int:
        return self._requests.get(name) or self._classify(name)

    def _classify(self, name: bytes) -> int:
        if name in _CONSUMED:
            return self._requests.remember(name, _CONSUME)
        canonical = canonical_name(name)
        bad = (
            name.translate(None, _NAME_CHARACTERS)
            or canonical in self._reserved
            or canonical.startswith(_PREFIX)
            or not canonical
        )
        return self._requests.remember(name, _DROP if bad else _FORWARD)

    def _classify_response(self, name: bytes) -> int:
        canonical = canonical_name(name)
        bad = (
            name in _HOP_BY_HOP or name == b"x-request-id" or canonical in self._secret or canonical.startswith(_PREFIX)
        )
        return self._responses.remember(name, _DROP if bad else _FORWARD)


def check_host(hosts: list[bytes], *, optional: bool = False) -> None:
    """Raises BadRequest unless the `host` lines are one, or none where it is `optional`: a name or an address, and
    perhaps a port. Servers differ in how they read anything else.
    """
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if (match is None or int(match[1] or 0) > 65535) and (hosts or not optional):
        raise BadRequest("not exactly one well-formed host")


def connection_options(connections: list[bytes]) -> set[bytes]:
    """The options that `Connection` lines list (RFC 9110, 7.6.1), in lower case."""
    return {name.strip(b" \t").lower() for line in connections for name in line.split(b",")}


def usable_request_id(value: bytes | None) -> str | None:
    """A client's request id, where it is 1 to 64 of `A-Z a-z 0-9 . _ -`."""
    if not value or len(value) > 64 or value.translate(None, _REQUEST_ID_CHARACTERS):
        return None
    return value.decode("ascii")


def timeout_of(head: RequestHeaders, most: float) -> float:
    """How long the client will wait, in seconds, where it says so and it is less than `most`."""
    value = head.only(b"x-request-timeout-ms")
    if not value or len(value) > 9 or not value.isdigit():
        return most
    return min(most, int(value) / 1000)


def via(head: RequestHeaders) -> Header:
    """`via` with this gateway at its end (RFC 9110, section 7.6.3)."""
    if b"via" not in head.consumed:
        return _VIA
    return (b"via", append_element(head.all(b"via"), _VIA[1]))


def append_element(lines: list[bytes], element: bytes) -> bytes:
    """The list of `lines` with `element` at its end, without empty elements (RFC 9110, 5.6.1)."""
    passed = b", ".join(lines)
    if _EMPTY_ELEMENT.search(passed):
        passed = b", ".join(stripped for found in _ELEMENT.findall(passed) if (stripped := found.strip(b" \t")))
    return b"%b, %b" % (passed, element) if passed else element


def _without(headers: Headers, names: set[bytes]) -> Headers:
    return [header for header in headers if header[0] not in names]
