"""How an entry of the 5xx ledger is printed: as a timeline, or as a line of a list."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from talaria.adapters.telemetry.failure_log import PASSED_ON, AttemptRecord, FailureRecord

_WIDTH_OF_A_FILE = 140

_WHOSE = {
    "client": "the client's request",
    "personal": "personal",
    "partner": "the partner",
    "upstream": "the upstream",
    "caller-keys": "whoever serves the caller's keys",
    "gateway": "the gateway itself",
}

_ADVICE = {
    "unreachable": "Look whether it runs, whether its name resolves, and whether a firewall or TLS is in between.",
    "bad-answer": "It broke its contract, or refused our credentials: look at the cause and at its last release.",
    "timeout": "Look at the times of the attempts: is it slow, or does a timeout of the configuration not fit it?",
    "overloaded": "It turned us away: wait, or ask for more room there. More attempts make it worse.",
    "circuit-open": "It failed too often just before: the entries right before this one say how.",
    "keys-unavailable": "Look whether the caller's jwks_url answers from this machine.",
    "draining": "This instance was shutting down: requests came too late, or took longer than server.drain_timeout.",
    "internal-error": "A fault of ours: the traceback stands in the log under the request id.",
    "": "The upstream's own answer, passed on as it was. Its log knows it by the same request id.",
}
_CERTIFICATE = "Its certificate is not good for us: it is renewed there, or its authority named in our tls.ca_file."
_OUR_LIMITS = "Our own limits were reached: see talaria_requests_in_flight, server.max_in_flight and server.workers."


def print_timeline(entry: FailureRecord) -> None:
    """One entry: whose it was, what happened when, and what to do."""
    console = _console()
    console.print(Text(f"{entry.status} {entry.reason or PASSED_ON}", style="bold red"))
    console.print(Text(f"Whose: {_WHOSE.get(entry.origin, entry.origin)}. {_end(entry)}\n"))
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(entry):
        facts.add_row(Text(name, style="dim"), Text(value))
    console.print(facts)
    console.print()
    console.print(_timeline(entry))
    console.print()
    console.print(Text(advice(entry)))


def print_list(entries: Sequence[FailureRecord]) -> None:
    """A line for each entry."""
    table = _table("time (UTC)", "status", "reason", "whose", "route", "took", "request id")
    for entry in entries:
        took = f"{entry.total_ms:.0f} ms"
        texts = (entry.time, str(entry.status), entry.reason or PASSED_ON, entry.origin, entry.tag or "-", took)
        table.add_row(*map(Text, (*texts, entry.request_id)))
    _console().print(table)


def advice(entry: FailureRecord) -> str:
    """What an operator may look at first."""
    if entry.reason == "overloaded":
        return _OUR_LIMITS
    if "certificate" in entry.cause:
        return _CERTIFICATE
    return _ADVICE.get(entry.reason.removeprefix(f"{entry.origin}-"), "")


def _end(entry: FailureRecord) -> str:
    return "Its own answer, passed on to its end." if entry.phase == PASSED_ON else f"Ended in: {entry.phase}."


def _facts(entry: FailureRecord) -> Iterable[tuple[str, str]]:
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
    return ((name, value) for name, value in facts.items() if value)


def _timeline(entry: FailureRecord) -> Table:
    table = _table("at", "took", "what", "outcome")
    rows = [(0.0, "", Text("the head of the request is here"), Text(""))]
    rows += [(one.at_ms, f"{one.ms:.1f} ms", Text(_asked(one)), _outcome(one)) for one in entry.attempts]
    rows.append((entry.total_ms, "", Text(f"answered {entry.status} {entry.reason or PASSED_ON}"), Text("")))
    for at_ms, took, what, outcome in sorted(rows, key=lambda row: row[0]):
        table.add_row(f"{at_ms:.1f} ms", took, what, outcome)
    return table


def _asked(attempt: AttemptRecord) -> str:
    address = f" at {attempt.address}" if attempt.address else ""
    return f"{attempt.dependency}{address}{' (for an earlier request)' if attempt.at_ms < 0 else ''}"


def _outcome(attempt: AttemptRecord) -> Text:
    return Text(attempt.outcome, style="green" if attempt.outcome == "ok" else "red")


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in ("at", "took") else "left", no_wrap=True)
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_OF_A_FILE)
