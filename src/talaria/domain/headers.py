"""Step 4: headers out and back: strip, then add. One pass over the headers of a request, one over those of its answer.

What the client may not say is decided by name, in a form that no spelling escapes: lower case, letters and digits
only. A name with any other character than letters, digits and dashes is dropped, for some server folds it into a dash.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from talaria.domain.errors import BadRequest
from talaria.domain.model import Header, Headers, Partner

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade http2-settings".split()
)
_READ = frozenset(
    b"x-api-tag authorization host connection x-request-id traceparent tracestate via content-length forwarded"
    b" x-forwarded-for x-forwarded-proto x-forwarded-host x-request-timeout-ms x-api-key".split()
)
_RESERVED = _READ | _HOP_BY_HOP | {b"expect"}
_SECRET_IN_ANSWER = frozenset({b"authorization", b"x-api-key"})
_PREFIX = b"xtalaria"

_NAME_CHARACTERS = b"abcdefghijklmnopqrstuvwxyz0123456789-"
_REQUEST_ID_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_NOT_IN_FOLD = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"))
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~-]+)(?::([0-9]{1,5}))?")
_HOSTS_KEPT = 1024
_PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})

_KEEP: Final = 1
_DROP: Final = 2
_TAKE: Final = 3
_VERDICTS_KEPT = 4096


def fold(name: bytes) -> bytes:
    """A header name in the form in which names are compared: lower-case letters and digits only."""
    return name.lower().translate(None, _NOT_IN_FOLD)


@dataclass(slots=True)
class Head:
    """A request's headers, sorted: `kept` go on as they are; `taken` were read (the first line of each name)."""

    kept: Headers = field(repr=False)
    taken: dict[bytes, bytes] = field(repr=False)
    more: dict[bytes, list[bytes]] = field(default_factory=dict, repr=False)

    def all(self, name: bytes) -> list[bytes]:
        """Every line of this name, in order."""
        first = self.taken.get(name)
        return [] if first is None else [first, *self.more.get(name, ())]

    def only(self, name: bytes) -> bytes | None:
        """The value where there is exactly one line of this name."""
        return None if name in self.more else self.taken.get(name)


class Sieve:
    """Knows every name that the gateway sets or reserves. What it has decided of a name it remembers, bounded."""

    def __init__(self, partners: Iterable[Partner]) -> None:
        user_ids = {fold(partner.user_id_header) for partner in partners}
        user_ids |= {fold(b"x-" + partner.id.encode() + b"-user-id") for partner in partners}
        self._reserved = {fold(name) for name in _RESERVED} | user_ids
        self._secret = {fold(name) for name in _SECRET_IN_ANSWER} | user_ids
        self._requests: dict[bytes, int] = {}
        self._answers: dict[bytes, int] = {}
        self._hosts: set[bytes] = set()

    def sift(self, headers: Headers) -> Head:
        """Sort the headers of a request.

        Raises BadRequest unless there is exactly one `host`, and it names one.
        """
        kept: Headers = []
        taken: dict[bytes, bytes] = {}
        head = Head(kept, taken)
        verdicts = self._requests
        for header in headers:
            verdict = verdicts.get(header[0]) or self._judge(header[0])
            if verdict == _KEEP:
                kept.append(header)
            elif verdict == _TAKE:
                name, value = header
                if name in taken:
                    head.more.setdefault(name, []).append(value)
                else:
                    taken[name] = value
        if taken.get(b"host") not in self._hosts or b"host" in head.more:
            self._check_host(head.only(b"host"))
        if taken.get(b"connection", b"close") not in _PLAIN_CONNECTION or b"connection" in head.more:
            head.kept = _without(kept, nominated(head.all(b"connection")))
        return head

    def sift_answer(self, headers: Headers, token: bytes, api_key: bytes) -> Headers:
        """The headers of an answer that the client may see: each line its own, in order.

        No line may carry the service token or the API key (empty where there is none), whatever its name.
        """
        kept: Headers = []
        verdicts = self._answers
        shortest = min(len(api_key) or len(token), len(token))
        connection: list[bytes] = []
        for header in headers:
            name, value = header
            if (verdicts.get(name) or self._judge_answer(name)) == _KEEP:
                if len(value) < shortest or not (token in value or (api_key and api_key in value)):
                    kept.append(header)
            elif name == b"connection":
                connection.append(value)
        if connection and (len(connection) > 1 or connection[0] not in _PLAIN_CONNECTION):
            return _without(kept, nominated(connection) - {b"content-length", b"date"})
        return kept

    def _check_host(self, host: bytes | None) -> None:
        """Name or address and perhaps a port, no more: others would read the rest in ways of their own."""
        match = _HOST.fullmatch(host) if host is not None else None
        if host is None or match is None or int(match[1] or 0) > 65535:
            raise BadRequest("not exactly one well-formed host")
        if len(self._hosts) >= _HOSTS_KEPT:
            self._hosts.clear()
        if len(host) <= 64:
            self._hosts.add(host)

    def _judge(self, name: bytes) -> int:
        if name in _READ:
            return _remember(self._requests, name, _TAKE)
        folded = fold(name)
        bad = (
            name.translate(None, _NAME_CHARACTERS)
            or folded in self._reserved
            or folded.startswith(_PREFIX)
            or not folded
        )
        return _remember(self._requests, name, _DROP if bad else _KEEP)

    def _judge_answer(self, name: bytes) -> int:
        folded = fold(name)
        bad = name in _HOP_BY_HOP or name == b"x-request-id" or folded in self._secret or folded.startswith(_PREFIX)
        return _remember(self._answers, name, _DROP if bad else _KEEP)


def nominated(connections: list[bytes]) -> set[bytes]:
    """The names that `Connection` lines nominate, in lower case."""
    return {name.strip(b" \t").lower() for line in connections for name in line.split(b",")}


def usable_request_id(value: bytes | None) -> str | None:
    """A client's request id, where it is 1 to 64 of `A-Z a-z 0-9 . _ -`."""
    if not value or len(value) > 64 or value.translate(None, _REQUEST_ID_CHARACTERS):
        return None
    return value.decode("ascii")


def timeout_of(head: Head, most: float) -> float:
    """How long the client will wait, in seconds, where it says so and it is less than `most`."""
    value = head.only(b"x-request-timeout-ms")
    if not value or len(value) > 9 or not value.isdigit():
        return most
    return min(most, int(value) / 1000)


def says_unknown_user(status: int, headers: Headers) -> bool:
    """Does this answer say that the upstream does not know the user id (any more)?"""
    return status in (403, 404, 410) and (b"x-talaria-unknown-user", b"1") in headers


def via(head: Head) -> Header:
    """`via` with this gateway at its end (RFC 9110, section 7.6.3)."""
    passed = head.taken.get(b"via")
    if passed is None:
        return _VIA
    return (b"via", b", ".join([*head.all(b"via"), b"1.1 talaria"]))


_VIA = (b"via", b"1.1 talaria")


def _without(headers: Headers, names: set[bytes]) -> Headers:
    return [header for header in headers if header[0] not in names]


def _remember(verdicts: dict[bytes, int], name: bytes, verdict: int) -> int:
    if len(verdicts) >= _VERDICTS_KEPT:
        verdicts.clear()
    if len(name) <= 64:
        verdicts[name] = verdict
    return verdict
