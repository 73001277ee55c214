"""The one table from refusals to HTTP: what the gateway answers when it does not pass a response on (RFC 9457).

Nothing of the refusal's own text goes out: `cause` is for the operators.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from talaria.domain.errors import (
    BadAnswer,
    BadRequest,
    BodyTooLarge,
    DependencyFault,
    InternalError,
    MethodNotAllowed,
    Overloaded,
    Refusal,
    TimedOut,
    Unreachable,
)
from talaria.domain.events import RequestContext, RequestFinished
from talaria.domain.headers import usable_request_id
from talaria.domain.http import Header, Headers
from talaria.domain.ports import Recorder
from talaria.domain.tracing import new_request_id

_logger = logging.getLogger("talaria.http")

PageRequest = Request[Any, Any, Any]
Handlers = dict[int | type[Exception], Callable[[PageRequest, Exception], Response[bytes]]]


class Row(NamedTuple):
    """One reason as clients see it.

    `detail` is for the client's developer. `proxy_error` is an error type of RFC 9209, empty where none fits.
    `always_retry_after`: the answer carries `retry-after` even where the refusal names no time.
    """

    status: int
    title: str
    detail: str
    proxy_error: str = ""
    always_retry_after: bool = False
    extra: tuple[Header, ...] = ()


class Problem(msgspec.Struct, frozen=True):
    """The body of every answer that the gateway makes itself."""

    type: str
    title: str
    status: int
    detail: str
    reason: str
    request_id: str


MEDIA_TYPE = "application/problem+json"
REASON_HEADER = b"x-talaria-reason"
"""On a decision for an edge proxy."""

_REQUEST = "http_request_error"
_DENIED = "http_request_denied"
_UNAVAILABLE = "destination_unavailable"
_PROTOCOL = "http_protocol_error"
_TIMEOUT = "http_response_timeout"
_INTERNAL = "proxy_internal_response"
_INVALID_TOKEN = b'Bearer error="invalid_token"'


def _bearer(challenge: bytes) -> tuple[Header]:
    return ((b"www-authenticate", challenge),)


def _dependency_rows(origin: str, name: str, *kinds: type[DependencyFault]) -> Iterator[tuple[str, Row]]:
    """The rows of one system's faults: `<origin>-<kind>`."""
    title = name.capitalize()
    rows = {
        Unreachable: Row(502, f"{title} unreachable", f"The {name} could not be reached; try again.", _UNAVAILABLE),
        BadAnswer: Row(502, f"Bad answer of the {name}", f"The {name} broke its contract.", _PROTOCOL),
        TimedOut: Row(504, f"{title} too slow", f"The {name} did not answer in time; try again.", _TIMEOUT),
        Overloaded: Row(503, f"{title} overloaded", f"The {name} has too much to do; try again later.", _UNAVAILABLE),
    }
    return ((f"{origin}-{kind.kind}", rows[kind]) for kind in kinds)


ROWS: dict[str, Row] = {
    **dict(_dependency_rows("personal", "identity service", Unreachable, BadAnswer, TimedOut, Overloaded)),
    **dict(_dependency_rows("partner", "partner", Unreachable, BadAnswer, TimedOut, Overloaded)),
    **dict(_dependency_rows("upstream", "back end", Unreachable, BadAnswer, TimedOut)),
    "missing-api-tag": Row(
        400, "No x-api-tag", "Name the back end in the header x-api-tag: exactly one, not empty.", _REQUEST
    ),
    "ambiguous-api-tag": Row(
        400, "More than one x-api-tag", "Send the header x-api-tag once, with one value and no list.", _REQUEST
    ),
    "unknown-api-tag": Row(
        404, "Unknown x-api-tag", "No back end has the name that the header x-api-tag gives.", _REQUEST
    ),
    "bad-request-target": Row(
        400,
        "Bad request target",
        "Send a path and query in origin form: no dot segments, encoded or not, no backslash, fragment or control"
        " character.",
        _REQUEST,
    ),
    "bad-request": Row(
        400,
        "Bad request",
        "Send well-formed HTTP with exactly one Host, at most one Authorization and unambiguous framing.",
        _REQUEST,
    ),
    "method-not-allowed": Row(
        405, "Method not allowed", "Use one of the methods that the header allow names.", _REQUEST
    ),
    "method-not-implemented": Row(
        501, "Method not implemented", "The gateway does not know this method; upper and lower case differ.", _REQUEST
    ),
    "deadline-exceeded": Row(
        504, "Deadline exceeded", "The time that x-request-timeout-ms gives is over: allow more of it.", _TIMEOUT
    ),
    "upload-timeout": Row(
        408,
        "Upload too slow",
        "The body took too long to arrive: send it faster, or in smaller pieces.",
        _REQUEST,
        extra=((b"connection", b"close"),),
    ),
    "headers-too-large": Row(431, "Header fields too large", "Send fewer or shorter header fields.", _REQUEST),
    "target-too-long": Row(414, "Request target too long", "Send a shorter path and query.", _REQUEST),
    "body-too-large": Row(413, "Body too large", "Send a smaller body; the limit is the gateway's.", _REQUEST),
    "missing-token": Row(
        401,
        "No token",
        "Send the person's token: Authorization: Bearer <token>. A back end without persons wants x-api-key.",
        _DENIED,
        extra=_bearer(b"Bearer"),
    ),
    "invalid-token": Row(
        401,
        "Invalid token",
        "The token is malformed, is not signed with a known key, or is not meant for this gateway.",
        _DENIED,
        extra=_bearer(_INVALID_TOKEN),
    ),
    "expired-token": Row(
        401,
        "Expired token",
        "The token's time is over: get a new one and send the request again.",
        _DENIED,
        extra=_bearer(_INVALID_TOKEN),
    ),
    "caller-not-allowed": Row(
        403,
        "Caller not allowed",
        "The token or key is good, but its caller may not use this back end, or not from here.",
        _DENIED,
    ),
    "rate-limited": Row(
        429,
        "Too many requests",
        "The caller or the person has sent too many requests; try again after the time in retry-after.",
        _DENIED,
        always_retry_after=True,
    ),
    "identity-unknown": Row(
        403, "Unknown person", "The token is good, but the personal id in it is not known.", _DENIED
    ),
    "partner-user-unknown": Row(403, "No user at the partner", "The partner has no user for this person.", _DENIED),
    "partner-user-refused": Row(403, "Refused by the partner", "The partner does not serve this person.", _DENIED),
    "circuit-open": Row(
        503,
        "Paused after failures",
        "Something behind the gateway failed too often just now; try again after the time in retry-after.",
        _UNAVAILABLE,
        always_retry_after=True,
    ),
    "overloaded": Row(
        503,
        "Gateway overloaded",
        "The gateway has too much to do; try again after the time in retry-after.",
        _INTERNAL,
        always_retry_after=True,
    ),
    "decision-failed": Row(
        503, "No decision", "Whether the request may go on could not be found out; try again.", _INTERNAL
    ),
    "draining": Row(
        503,
        "Shutting down",
        "This instance is shutting down; send the request again on a new connection.",
        _INTERNAL,
        extra=((b"connection", b"close"),),
    ),
    "keys-unavailable": Row(
        503, "Token can't be checked", "The keys of the token's issuer can't be had now; try again later."
    ),
    "internal-error": Row(
        500,
        "Internal error",
        "A fault of the gateway; quote the request id when you report it.",
        "proxy_internal_error",
    ),
}
"""Every reason of `domain/errors.py`."""

NOT_FOUND = Row(404, "Not found", "There is nothing at this path.", _REQUEST)
"""`not-found`: of the operators' listener only, which has paths of its own."""


def render(refusal: Refusal, request_id: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body of the response to a refused request."""
    headers: Headers = []
    if isinstance(refusal, MethodNotAllowed):
        headers.append((b"allow", ", ".join(sorted(refusal.allow)).encode("ascii")))
    return render_reason(refusal.reason, request_id, refusal.retry_after, headers)


def render_reason(
    reason: str, request_id: str, retry_after: float | None = None, headers: Headers | None = None
) -> tuple[int, Headers, bytes]:
    """The same of a reason alone. `headers` are sent besides those that its row has."""
    row = ROWS[reason]
    more = [*row.extra, *(headers or ())]
    if retry_after is not None or row.always_retry_after:
        more.append((b"retry-after", _whole_seconds(retry_after)))
    return answer(reason, row, request_id, more)


def answer(reason: str, row: Row, request_id: str, headers: Headers) -> tuple[int, Headers, bytes]:
    """Status, headers and body for one row; `headers` are sent besides those that every problem has."""
    body = msgspec.json.encode(document(reason, row, request_id))
    common: Headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request_id.encode("ascii", "replace")),
    ]
    if row.proxy_error:
        common.append((b"proxy-status", b"talaria; error=" + row.proxy_error.encode()))
    return row.status, common + headers, body


class RejectedHeads:
    """Heads that never become a request. One event for each: it has the refusal alone, for nothing of such a head is
    to be trusted.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._record = recorder.record

    def refuse(self, refusal: Refusal) -> bytes:
        """The whole response, as HTTP/1.1. It is the last one of its connection."""
        context = RequestContext(new_request_id())
        status, headers, body = render(refusal, context.request_id)
        reason, origin = refusal.reason, refusal.origin
        self._record(RequestFinished(context, "", status, reason, origin, 0, len(body), 0.0, refusal.cause))
        lines = [b"%b: %b\r\n" % header for header in [*headers, date_header()] if header[0] != b"connection"]
        phrase = HTTPStatus(status).phrase.encode()
        return b"HTTP/1.1 %d %b\r\n%bconnection: close\r\n\r\n%b" % (status, phrase, b"".join(lines), body)

    def cut_off(self, cause: str) -> None:
        """No response: the client took too long, as one does that falls silent inside its body."""
        context = RequestContext(new_request_id())
        self._record(RequestFinished(context, "", 499, "client-gone", "client", 0, 0, 0.0, cause))


_date: tuple[int, Header] = (0, (b"date", b""))


def date_header() -> Header:
    """The `date` of a response of this moment (RFC 9110, section 6.6.1), written once a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, (b"date", formatdate(now, usegmt=True).encode()))
    return _date[1]


def request_id_of(headers: Iterable[Header]) -> str:
    """The client's request id, where it sent a usable one; else a new one."""
    given = [value for name, value in headers if name == b"x-request-id"]
    return (usable_request_id(given[0]) if len(given) == 1 else None) or new_request_id()


def document(reason: str, row: Row, request_id: str) -> Problem:
    """The body of the answer, as a value."""
    return Problem(f"urn:talaria:problem:{reason}", row.title, row.status, row.detail, reason, request_id)


def _whole_seconds(seconds: float | None) -> bytes:
    """`Retry-After`: at least one second, at most a day."""
    return b"%d" % math.ceil(min(max(1.0, seconds or 0.0), 86_400.0))


def handlers() -> Handlers:
    """Litestar's exception handlers: what fails on a page of ours takes the form of a problem."""
    return {HTTPException: _page_refused, Refusal: _page_refused, Exception: _page_failed}


def _page_refused(request: PageRequest, error: Exception) -> Response[bytes]:
    request_id = request_id_of(request.scope["headers"])
    if isinstance(error, Refusal):
        return _response(*render(error, request_id))
    status = getattr(error, "status_code", 500)
    if status >= 500:
        return _page_failed(request, error)
    if status == 404:
        return _response(*answer("not-found", NOT_FOUND, request_id, []))
    if status == 405:
        return _response(*render(MethodNotAllowed(_allowed(error)), request_id))
    return _response(*render(BodyTooLarge() if status == 413 else BadRequest(), request_id))


def _page_failed(request: PageRequest, error: Exception) -> Response[bytes]:
    request_id = request_id_of(request.scope["headers"])
    _logger.error("a page failed by a fault of ours", exc_info=error, extra={"request_id": request_id})
    return _response(*render(InternalError(), request_id))


def _allowed(error: Exception) -> frozenset[str]:
    headers = getattr(error, "headers", None) or {}
    return frozenset(method.strip() for method in headers.get("allow", "").split(",") if method.strip())


def _response(status: int, headers: Headers, body: bytes) -> Response[bytes]:
    sent = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}
    return Response(body, status_code=status, headers=sent, media_type=MEDIA_TYPE)
