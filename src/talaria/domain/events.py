"""What happened to a request: its record while it is under way, and the events that the recorder gets."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Literal, NamedTuple

from talaria.domain.model import ExchangeResult, Origin


class Attempt(NamedTuple):
    """One call to personal, a partner, an upstream or a caller's key set is over. An event, and part of a record.

    `at` is monotonic seconds, `seconds` the duration. `outcome` is "ok" or a short word such as "503" or "timeout", for
    metrics and lines only. `address` is the url that was asked, where an upstream has several.
    """

    dependency: str
    at: float
    seconds: float
    outcome: str
    address: str = ""


class Trace(NamedTuple):
    """One place in a trace (W3C trace context): what goes on as `traceparent` and `tracestate`, each empty without one.

    `given` is the client's own `traceparent`, empty where the trace begins here; `host` and `scheme` are as the client
    asked. The last digit of a span's id says which of a request's spans it is.
    """

    trace_id: str
    parent: bytes
    state: bytes = b""
    given: bytes = b""
    host: bytes = b""
    scheme: str = ""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`traceparent`, and `tracestate` where there is one; nothing without a trace."""
        if not self.parent:
            return []
        if self.state:
            return [(b"traceparent", self.parent), (b"tracestate", self.state)]
        return [(b"traceparent", self.parent)]

    def span_id(self, which: bytes) -> bytes:
        """The id of one of the request's spans: 16 hexadecimal digits."""
        return self.parent[36:51] + which

    def parent_of(self, which: bytes) -> str:
        """The `traceparent` that makes this span the parent."""
        return (self.parent[:36] + self.span_id(which) + self.parent[52:]).decode()

    @property
    def sampled(self) -> bool:
        """Whether it is recorded."""
        return bool(self.parent[-1] & 1)


SERVER_SPAN, UPSTREAM_SPAN, PERSONAL_SPAN = b"1", b"2", b"3"


@dataclass(slots=True)
class HopContext:
    """What one hop of an exchange gets. Mutable: adapters append to `attempts`.

    `timeout` is in seconds and bounds the whole hop, retries included. `person` is a pseudonym; `draw`, from 0 to 1, is
    the same for a person at all times and in all instances. `traceparent` is empty where none is sent.
    """

    request_id: str
    timeout: float
    attempts: list[Attempt] = field(default_factory=list)
    person: str = ""
    draw: float = 0.0
    traceparent: str = ""


@dataclass(slots=True)
class RequestContext:
    """The record of one request so far. Mutable: the gateway writes it, the access line and the failure log read it.

    `started` is by the clock of the attempts; `person` is a pseudonym. `edge`: an edge proxy asked for a decision, and
    forwards the request itself. `trace` is there where spans are made of it; `joined` is that of the request that
    began the exchange which this one waited for.
    """

    request_id: str = ""
    trace_id: str = ""
    tag: str = ""
    caller: str = ""
    phase: Literal["head", "routing", "admission", "exchange", "upstream", "body"] = "head"
    exchange: ExchangeResult | None = None
    identity_refreshed: bool = False
    upstream_seconds: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    person: str = ""
    started: float = 0.0
    edge: bool = False
    partner: str = ""
    trace: Trace | None = None
    joined: Trace | None = None

    def is_partner(self, dependency: str) -> bool:
        """Is this the request's partner, or the canary that answers in its place?"""
        return dependency in (self.partner, f"{self.partner}.canary")


class FlowLabels(NamedTuple):
    """What metrics and lines say alike of every request of one flow; `person` is a pseudonym."""

    tag: str
    partner: str
    upstream: str
    caller: str
    person: str


class RequestForwarded(NamedTuple):
    """A request took the fast path to its end: an id from the cache, one attempt, a whole response that is no error.

    It stands for a RequestFinished, an ExchangeFinished and an Attempt. `at` is its end in seconds since the epoch,
    `seconds` and `upstream_seconds` are durations; `address` is that of the Attempt. `trace` is recorded, as
    far as is known. With `edge` it was a decision that an edge proxy asked for: there is no Attempt.
    """

    labels: FlowLabels
    request_id: str
    trace_id: str
    method: str
    status: int
    bytes_in: int
    bytes_out: int
    seconds: float
    upstream_seconds: float
    at: float
    address: str
    trace: Trace | None = None
    edge: bool = False

    def as_finished(self, started: float = 0.0) -> "RequestFinished":
        """What the end of the same request says on the slow path; `started` by the clock of the attempts."""
        labels = self.labels
        attempt = Attempt(labels.upstream, started, self.upstream_seconds, "ok", self.address)
        context = RequestContext(
            request_id=self.request_id,
            trace_id=self.trace_id,
            tag=labels.tag,
            caller=labels.caller,
            exchange="hit",
            upstream_seconds=self.upstream_seconds,
            attempts=[] if self.edge else [attempt],
            person=labels.person,
            started=started,
            edge=self.edge,
            partner=labels.partner,
        )
        end = self.bytes_in, self.bytes_out, self.seconds
        return RequestFinished(context, self.method, self.status, "", "" if self.edge else "upstream", *end)


_TRACE = itemgetter(RequestForwarded._fields.index("trace"))


def traced(events: Iterable[RequestForwarded]) -> Iterator[RequestForwarded]:
    """Those that have a trace: few, and each of the others costs nothing but being passed over."""
    return filter(_TRACE, events)


class RequestFinished(NamedTuple):
    """A request is over: answered, refused, cut short or left by its client (status 499)."""

    context: RequestContext
    method: str
    status: int
    reason: str
    origin: Origin | Literal[""]
    bytes_in: int
    bytes_out: int
    seconds: float
    cause: str = ""


class ExchangeFinished(NamedTuple):
    """An id was exchanged, or not."""

    partner: str
    result: ExchangeResult


class RetryRefused(NamedTuple):
    """The retry budget of a dependency did not allow another attempt at it."""

    dependency: str


ShadowResult = Literal["same", "other", "unknown", "failed"]


class ShadowAnswered(NamedTuple):
    """A partner's shadow adapter was asked what the partner's own had answered.

    It gave the same answer, or another user id, or had no user where the other had one, or failed. `person` is a
    pseudonym.
    """

    partner: str
    adapter: str
    result: ShadowResult
    person: str
    request_id: str


Event = RequestFinished | RequestForwarded | ExchangeFinished | Attempt | RetryRefused | ShadowAnswered
