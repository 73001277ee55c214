"""What is said of a finished request: the fields that its access line and its failure record share."""

import msgspec

from talaria.domain.events import RequestContext, RequestFinished, RequestForwarded

_LONGEST_VALUE = 128


class RequestLine(msgspec.Struct, omit_defaults=True, gc=False):
    """The access line, its fields in the order in which they stand. Times in milliseconds, `bytes_*` of the bodies.

    `personal_ms` and `partner_ms`: all attempts at them that this request waited for. `worker`: its number.

    It holds nothing of the request's path, query, headers or body, and no personal data: `person` is a pseudonym.
    """

    time: str
    level: str
    event: str
    request_id: str
    trace_id: str
    tag: str
    method: str
    status: int
    reason: str
    origin: str
    caller: str
    exchange: str | None
    attempts: int
    bytes_in: int
    bytes_out: int
    total_ms: float
    upstream_ms: float
    worker: int
    retries: int = 0
    healed: bool = False
    cause: str = ""
    person: str = ""
    edge: bool = False
    personal_ms: float = 0.0
    partner_ms: float = 0.0


def request_line(event: RequestFinished, time: str, worker: int = 0) -> RequestLine:
    """The line of a request that ended at `time` (RFC 3339) in this worker."""
    context = event.context
    attempts = context.attempts
    # An answer that broke off is trouble too, whatever its status was.
    trouble = event.status >= 500 or (event.reason and event.origin != "client")
    return RequestLine(
        time,
        "info" if not trouble else "error" if event.origin == "gateway" else "warning",
        "request",
        context.request_id,
        context.trace_id,
        context.tag,
        event.method,
        event.status,
        event.reason,
        event.origin,
        context.caller,
        context.exchange,
        len(attempts),
        event.bytes_in,
        event.bytes_out,
        int(event.seconds * 1e6) / 1e3,
        int(context.upstream_seconds * 1e6) / 1e3,
        worker,
        len(attempts) - len({attempt.dependency for attempt in attempts}) if len(attempts) > 1 else 0,
        context.identity_refreshed,
        event.cause,
        context.person,
        context.edge,
        *(_hop_times(context) if context.exchange not in (None, "hit") else ()),
    )


def forwarded_line(event: RequestForwarded, time: str, worker: int = 0) -> RequestLine:
    """That of a request that took the fast path to its end: `request_line` of `event.as_finished()`, for less."""
    labels, request_id, trace_id, method, status, bytes_in, bytes_out, seconds, upstream, _, _, _, edge = event
    return RequestLine(
        time,
        "info",
        "request",
        request_id,
        trace_id,
        labels.tag,
        method,
        status,
        "",
        "" if edge else "upstream",
        labels.caller,
        "hit",
        0 if edge else 1,
        bytes_in,
        bytes_out,
        int(seconds * 1e6) / 1e3,
        int(upstream * 1e6) / 1e3,
        worker,
        person=labels.person,
        edge=edge,
    )


def _hop_times(context: RequestContext) -> tuple[float, float]:
    """The milliseconds at personal, and at the partner."""
    personal = sum(attempt.seconds for attempt in context.attempts if attempt.dependency == "personal")
    partner = sum(attempt.seconds for attempt in context.attempts if context.is_partner(attempt.dependency))
    return int(personal * 1e6) / 1e3, int(partner * 1e6) / 1e3


def clipped(line: RequestLine) -> RequestLine:
    """The line with every text cut to a sane length and form."""
    texts = {name: _sane(value) for name in line.__struct_fields__ if isinstance(value := getattr(line, name), str)}
    return msgspec.structs.replace(line, **texts)


def _sane(text: str) -> str:
    return text[:_LONGEST_VALUE].encode("utf-8", "backslashreplace").decode()
