"""What is told of one failure, by the page and by `talaria explain`: its origin, what happened when, what to do."""

from typing import NamedTuple

from talaria.adapters.telemetry.failure_log import PASSED_ON, AttemptRecord, FailureRecord
from talaria.entrypoints.public.problems import ROWS

_ORIGINS = {
    "client": "the client's request",
    "personal": "personal",
    "partner": "the partner",
    "upstream": "the upstream",
    "caller-keys": "the server of the caller's keys",
    "gateway": "the gateway itself",
}

_PASSED_ON = "The upstream's own answer, passed on as it was. Its log knows it by the same request id."
_UNAUTHORIZED = "It refuses our service token, or this client: does it read our /.well-known/jwks.json?"
_BY_CAUSE = {
    "certificate": "Its certificate is not good for us: renew it there, or name its authority in our tls.ca_file.",
    "credentials": "It does not take our token or key: put the right one into its file, which is read within seconds,"
    " or ask there since when another one is good. To try it: talaria doctor.",
    "rate_limit": "A limit of our configuration, which the cause names: raise it, or let less come in.",
}
"""Where a word of the cause says more than the reason."""


class Step(NamedTuple):
    """Something that happened `at_ms` after the request began; `ms` is how long it took."""

    at_ms: float
    what: str
    ms: float | None = None
    outcome: str = ""

    @property
    def well(self) -> bool:
        """Whether it ended well."""
        return self.outcome in ("", "ok")


def origin(entry: FailureRecord) -> str:
    """The system that caused it, and where the request ended."""
    ended = "Its own answer, passed on to its end." if entry.phase == PASSED_ON else f"Ended in: {entry.phase}."
    return f"Origin: {_ORIGINS.get(entry.origin, entry.origin)}. {ended}"


def facts_of(entry: FailureRecord) -> list[tuple[str, str]]:
    """What is known of the request, by its name; nothing that is empty."""
    facts = {
        "time": entry.time,
        "request id": entry.request_id,
        "trace id": entry.trace_id,
        "route": entry.tag,
        "method": entry.method,
        "caller": entry.caller,
        "person": entry.person,
        "exchange": (entry.exchange or "not reached") + (", healed once" if entry.healed else ""),
        "cause": entry.cause,
        "breakers": ", ".join(f"{name} {state}" for name, state in sorted(entry.breakers.items())),
    }
    return [(name, value) for name, value in facts.items() if value]


def steps(entry: FailureRecord) -> list[Step]:
    """What happened, in its order."""
    asked = [Step(one.at_ms, _asked(one), one.ms, one.outcome) for one in entry.attempts]
    answered = Step(entry.total_ms, f"answered {entry.status} {entry.reason or PASSED_ON}")
    return sorted([Step(0.0, "the head of the request is here"), *asked, answered], key=lambda step: step.at_ms)


def advice(entry: FailureRecord) -> str:
    """What an operator may look at first."""
    for word, advised in _BY_CAUSE.items():
        if word in entry.cause:
            return advised
    if not entry.reason:
        return _UNAUTHORIZED if entry.status == 401 else _PASSED_ON
    row = ROWS.get(entry.reason)
    return "" if row is None else row.advice or f"Its client was told: {row.detail}"


def _asked(attempt: AttemptRecord) -> str:
    address = f" at {attempt.address}" if attempt.address else ""
    return f"{attempt.dependency}{address}{' (for an earlier request)' if attempt.at_ms < 0 else ''}"
