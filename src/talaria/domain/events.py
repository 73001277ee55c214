"""What happened to a request: its record while it is under way, and the events that the recorder gets."""

from dataclasses import dataclass, field
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


@dataclass(slots=True)
class HopContext:
    """What one hop of an exchange gets. Mutable: adapters append to `attempts`.

    `timeout` is in seconds and bounds the whole hop, retries included. `person` is a pseudonym; `draw`, from 0 to 1, is
    the same for a person at all times and in all instances.
    """

    request_id: str
    timeout: float
    attempts: list[Attempt] = field(default_factory=list)
    person: str = ""
    draw: float = 0.0


@dataclass(slots=True)
class RequestContext:
    """The record of one request so far. Mutable: the gateway writes it, the access line and the failure log read it.

    `started` is by the clock of the attempts; `person` is a pseudonym. `edge`: an edge proxy asked for a decision, and
    forwards the request itself.
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


@dataclass(frozen=True, slots=True)
class ExchangeFinished:
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


Event = RequestFinished | ExchangeFinished | Attempt | RetryRefused | ShadowAnswered
