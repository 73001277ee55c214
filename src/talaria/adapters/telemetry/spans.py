"""Spans of finished requests, for an OpenTelemetry collector (OTLP over HTTP).

    SERVER {method} {route} ─┬─ CLIENT personal            each attempt
                             ├─ CLIENT {partner}           each attempt
                             └─ CLIENT {upstream}          each attempt

Rules:

1. A span is made when its request is over, from what is known then: a live span costs ten times as much. So every
   answer of 500 and above is exported, whether its trace is sampled or not.
2. Names, attributes and statuses are those of OpenTelemetry's conventions for HTTP 1.44; what is ours begins with
   `talaria.`. There is no path, no query, no address of a client, and nothing of a person.
3. The id that personal and the upstream got as their parent is that of the last attempt at them.
4. A request that waited for another's exchange has a link to that one in place of its attempts.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from random import getrandbits
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from talaria.domain.events import (
    PERSONAL_SPAN,
    SERVER_SPAN,
    UPSTREAM_SPAN,
    Attempt,
    Event,
    RequestFinished,
    RequestForwarded,
    Trace,
    traced,
)
from talaria.domain.ports import Clock

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_PORTS = {"http": 80, "https": 443}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET, _ERROR = Status(StatusCode.UNSET), Status(StatusCode.ERROR)

Attributes = dict[str, str | int | bool]


class SpanRecorder:
    """Makes the spans of finished requests, and hands them to `put`; a handler of the event bus.

    `begin` gives a trace to a failure that came before its head was read. `urls`: of each dependency that has one
    alone. `wall`: seconds since the epoch.
    """

    def __init__(
        self,
        put: Callable[[ReadableSpan], object],
        resource: Resource,
        begin: Callable[[], Trace],
        clock: Clock,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._put = put
        self._resource = resource
        self._scope = InstrumentationScope("talaria")
        self._begin = begin
        self._now = clock.now
        self._wall = wall
        self.urls: Mapping[str, str] = {}

    def record(self, event: Event) -> None:
        """Take the end of a request; other events pass."""
        if type(event) is not RequestFinished:
            return
        trace = event.context.trace
        if event.status >= 500 or (trace is not None and trace.sampled):
            self._record(event, trace or self._begin())

    def record_forwarded(self, events: Sequence[RequestForwarded]) -> None:
        """Take the ends of requests that were forwarded under a flow."""
        for event in traced(events):
            if event.trace is not None and event.trace.sampled:
                started = event.at - event.seconds - self._wall() + self._now()
                self._record(event.as_finished(started), event.trace)

    def _record(self, event: RequestFinished, trace: Trace) -> None:
        context, joined = event.context, event.context.joined
        offset = self._wall() - self._now()
        server = _span(trace, SERVER_SPAN)
        if context.attempts:
            self._record_attempts(event, trace, server, offset)
        parent = SpanContext(server.trace_id, int(trace.given[36:52], 16), True, _SAMPLED) if trace.given else None
        attributes = _attributes(event, trace)
        links = [Link(_span(joined, SERVER_SPAN))] if joined is not None else ()
        times = context.started + offset, event.seconds
        self._finish(_name(event), SpanKind.SERVER, server, parent, attributes, event.status >= 500, *times, links)

    def _record_attempts(self, event: RequestFinished, trace: Trace, server: SpanContext, offset: float) -> None:
        """Rules 3 and 4."""
        context = event.context
        asked: dict[str, int] = {}
        last = {attempt.dependency: attempt for attempt in context.attempts}
        for attempt in context.attempts:
            dependency = attempt.dependency
            is_partner = context.is_partner(dependency)
            is_upstream = not is_partner and dependency != "personal"
            if context.joined is not None and not is_upstream:
                continue
            attributes = self._attributes_of(attempt)
            if sent_before := asked.get(dependency, 0):
                attributes["http.request.resend_count"] = sent_before
            asked[dependency] = sent_before + 1
            own = None
            if attempt is last[dependency] and not is_partner:
                own = _span(trace, UPSTREAM_SPAN if is_upstream else PERSONAL_SPAN)
            if is_upstream:
                attributes["http.request.method"] = _method(event)
                if own is not None and attempt.outcome == "ok" and not event.reason:
                    attributes["http.response.status_code"] = event.status
            span = own or SpanContext(server.trace_id, getrandbits(64) or 1, False, _SAMPLED)
            times = attempt.at + offset, attempt.seconds
            self._finish(dependency, SpanKind.CLIENT, span, server, attributes, attempt.outcome != "ok", *times)

    def _finish(
        self,
        name: str,
        kind: SpanKind,
        span: SpanContext,
        parent: SpanContext | None,
        attributes: Attributes,
        failed: bool,
        began: float,
        seconds: float,
        links: Sequence[Link] = (),
    ) -> None:
        """A span that began at `began` (seconds since the epoch) and is over."""
        self._put(
            ReadableSpan(
                *(name, span, parent, self._resource, attributes),
                kind=kind,
                status=_ERROR if failed else _UNSET,
                start_time=int(began * 1e9),
                end_time=int((began + seconds) * 1e9),
                links=links,
                instrumentation_scope=self._scope,
            )
        )

    def _attributes_of(self, attempt: Attempt) -> Attributes:
        host, port = _server_of(attempt.address or self.urls.get(attempt.dependency, ""))
        attributes: Attributes = {"server.address": host, "server.port": port} if host else {}
        if attempt.outcome.isdigit():
            attributes["http.response.status_code"] = int(attempt.outcome)
        if attempt.outcome != "ok":
            attributes["error.type"] = attempt.outcome
        return attributes


def _attributes(event: RequestFinished, trace: Trace) -> Attributes:
    context = event.context
    attributes: Attributes = {
        "http.request.method": _method(event),
        "http.response.status_code": event.status,
        "network.protocol.name": "http",
        "talaria.request_id": context.request_id,
        "talaria.route": context.tag,
        "talaria.caller": context.caller,
        "talaria.exchange": context.exchange or "",
        "talaria.origin": event.origin,
    }
    if trace.host:
        attributes["url.scheme"], attributes["server.address"] = trace.scheme, _host(trace.host)
    if event.reason or event.status >= 500:
        attributes["error.type"] = event.reason or str(event.status)
    if context.identity_refreshed:
        attributes["talaria.healed"] = True
    return attributes


def _method(event: RequestFinished) -> str:
    return event.method if event.method in _METHODS else "_OTHER"


def _name(event: RequestFinished) -> str:
    method = event.method if event.method in _METHODS else "HTTP"
    return f"{method} {event.context.tag}" if event.context.tag else method


def _span(trace: Trace, which: bytes) -> SpanContext:
    """One of those that trace context gives an id to."""
    return SpanContext(int(trace.trace_id, 16), int(trace.span_id(which), 16), False, _SAMPLED)


@lru_cache(1024)
def _host(host: bytes) -> str:
    """Of a `Host`, without its port."""
    text = host.decode("latin-1")
    name, _, port = text.rpartition(":")
    return name if name and (port.isdigit() or not port) and text[-1] != "]" else text


@lru_cache(256)
def _server_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
