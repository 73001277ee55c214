"""From refusals to HTTP, by the table problems.toml: what the gateway answers when it does not pass a response on
(RFC 9457).

Nothing of the refusal's own text goes out: `cause` is for the operators.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from talaria.domain.errors import BadRequest, BodyTooLarge, InternalError, MethodNotAllowed, Refusal
from talaria.domain.events import RequestContext, RequestFinished
from talaria.domain.headers import usable_request_id
from talaria.domain.http import Header, Headers
from talaria.domain.model import Origin
from talaria.domain.ports import Recorder
from talaria.domain.tracing import new_request_id

_logger = logging.getLogger("talaria.http")

PageRequest = Request[Any, Any, Any]
Handlers = dict[int | type[Exception], Callable[[PageRequest, Exception], Response[bytes]]]


class Row(msgspec.Struct, frozen=True):
    """One reason as clients see it: problems.toml says what each field is."""

    status: int
    title: str
    detail: str
    proxy_error: str = ""
    always_retry_after: bool = False
    headers: dict[str, str] = {}
    advice: str = ""
    origins: tuple[Origin, ...] = ()


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

ROWS = msgspec.toml.decode(files(__package__).joinpath("problems.toml").read_bytes(), type=dict[str, Row])
"""Every reason of `domain/errors.py`."""

NOT_FOUND = Row(404, "Not found", "There is nothing at this path.", "http_request_error")
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
    own = [(name.encode(), value.encode()) for name, value in row.headers.items()]
    more = [*own, *(headers or ())]
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


def bad_request(detail: str, *kinds: int | type[Exception]) -> Handlers:
    """The exception handlers of a page that says what it wants to be sent, for exceptions of these kinds."""
    row = msgspec.structs.replace(ROWS["bad-request"], detail=detail)

    def refused(request: PageRequest, _: Exception) -> Response[bytes]:
        return _response(*answer("bad-request", row, request_id_of(request.scope["headers"]), []))

    return dict.fromkeys(kinds, refused)


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
