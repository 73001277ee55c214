"""`talaria explain`: what became of a request that failed. Asks the operators' listener."""

import datetime
import json
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, urlencode

import msgspec
import rich_click as click
from rich.table import Table
from rich.text import Text

from talaria.adapters.telemetry.failure_log import KEPT, PASSED_ON, AttemptRecord, FailureRecord
from talaria.entrypoints.cli.failure_list import moment, print_list
from talaria.entrypoints.cli.operators import CannotAsk, NotThere, Operators, ask, operators_of, ops_option
from talaria.entrypoints.cli.shared import config_option, console, fail, plain_table
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
_CERTIFICATE = "Its certificate is not good for us: it is renewed there, or its authority named in our tls.ca_file."
_LISTED = 20
_FOLLOW_SECONDS = 1.0


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    try:
        return text and moment(text, datetime.datetime.now(datetime.UTC))
    except ValueError:
        raise click.BadParameter('write "15m" (ago), "03:10" (today, UTC) or "2026-11-28T03:10:00Z"') from None


@click.command("explain")
@click.argument("request_id", required=False, metavar="[REQUEST-ID]")
@click.option(
    "--last", type=click.IntRange(1, KEPT), metavar="N", help=f"List the last N instead; {_LISTED} if unsaid."
)
@click.option(
    "--since", callback=_moment, metavar="WHEN", help='List from then on: "15m" ago, "03:10", RFC 3339 (UTC).'
)
@click.option("--until", callback=_moment, metavar="WHEN", help="List up to then.")
@click.option("--caller", metavar="NAME", help="List those of this caller.")
@click.option("--route", metavar="TAG", help="List those of this x-api-tag.")
@click.option("--status", metavar="STATUS", help='List those of this status, such as "401" or "4xx".')
@click.option("--reason", metavar="REASON", help="List those of this reason (docs/refusals.md).")
@click.option("--follow", is_flag=True, help="Go on with those that come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs; with --follow a line for each.")
@ops_option
@config_option
def command(
    request_id: str | None,
    last: int | None,
    follow: bool,
    as_json: bool,
    ops: str | None,
    path: Path,
    **asked: str | None,
) -> None:
    """Explain an answer of 400 or above: its origin, and what happened when; or list some.

    The gateway remembers the last thousand of 500 and above while it runs, and of each reason below 500 the last few.
    The request id is in every answer (x-request-id).
    """
    filters = {name: value for name, value in asked.items() if value}
    if (request_id is None) != bool(last or follow or filters):
        raise click.UsageError("Give a request id, or --last N or another option that says which to list.")
    address = operators_of(ops, path)
    try:
        if request_id is not None:
            _explain_one(address, request_id, as_json)
        elif follow:
            _follow(address, filters, as_json)
        else:
            _list(address, {"last": last or _LISTED, **filters}, as_json)
    except CannotAsk as error:
        fail(str(error), error.hint)


def _explain_one(address: Operators, request_id: str, as_json: bool) -> None:
    try:
        entry = ask(address, f"/5xx/{quote(request_id, safe='')}", FailureRecord)
    except NotThere:
        fail(
            f"No answer of 400 or above is remembered for {_printable(request_id)}.",
            "It may have ended below 400 (the access log has its line), be older than the last"
            f" {KEPT:,} (below 500: the last few of its reason) or than the gateway's start, or have met another"
            " instance.",
            "What is remembered: talaria explain --last 20, or with --status 4xx",
        )
    if as_json:
        click.echo(_as_json(entry))
    else:
        _print_timeline(entry)


def _list(address: Operators, query: dict[str, str | int], as_json: bool) -> None:
    entries = _entries(address, query)
    if as_json:
        click.echo(_as_json(entries))
    elif entries:
        print_list(entries)
    else:
        click.echo("No such answer is remembered." if len(query) > 1 else "No answer of 500 or above is remembered.")


def _follow(address: Operators, filters: dict[str, str], as_json: bool) -> None:
    """The newest that are there, and each that comes; the oldest first."""
    told: set[tuple[str, str]] = set()
    count = _LISTED
    while True:
        entries = _entries(address, {"last": count, **filters})[::-1]
        fresh = [entry for entry in entries if (entry.time, entry.request_id) not in told]
        if as_json:
            for entry in fresh:
                click.echo(msgspec.json.encode(entry))
        elif fresh:
            print_list(fresh, headings=not told)
        told |= {(entry.time, entry.request_id) for entry in fresh}
        count = KEPT
        time.sleep(_FOLLOW_SECONDS)


def _entries(address: Operators, query: dict[str, str | int]) -> list[FailureRecord]:
    return ask(address, f"/5xx?{urlencode(query)}", dict[str, list[FailureRecord]])["entries"]


def _as_json(value: FailureRecord | list[FailureRecord]) -> str:
    return json.dumps(msgspec.to_builtins(value), indent=2)


def _printable(text: str) -> str:
    return text if text.isprintable() and len(text) <= 64 else "this id"


def _print_timeline(entry: FailureRecord) -> None:
    """One entry: its origin, what happened when, and what to do."""
    out = console()
    out.print(Text(f"{entry.status} {entry.reason or PASSED_ON}", style="bold red"))
    out.print(Text(f"Origin: {_ORIGINS.get(entry.origin, entry.origin)}. {_end(entry)}\n"))
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(entry):
        facts.add_row(Text(name, style="dim"), Text(value))
    out.print(facts)
    out.print()
    out.print(_timeline(entry))
    out.print()
    out.print(Text(advice(entry)))


def advice(entry: FailureRecord) -> str:
    """What an operator may look at first."""
    if "certificate" in entry.cause:
        return _CERTIFICATE
    if not entry.reason:
        return _PASSED_ON
    row = ROWS.get(entry.reason)
    return "" if row is None else row.advice or f"Its client was told: {row.detail}"


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
    table = plain_table("at", "took", "what", "outcome")
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
