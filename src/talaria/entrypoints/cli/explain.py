"""`talaria explain`: what became of a request that failed. Asks the operators' listener."""

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from talaria.adapters.telemetry.failure_log import KEPT, PASSED_ON, STATUS, FailureRecord
from talaria.entrypoints.cli.failure_list import moment, print_list
from talaria.entrypoints.cli.operators import CannotAsk, NotThere, Operators, ask, operators_of, ops_option
from talaria.entrypoints.cli.shared import config_option, fail, line_width, say, say_json, written_as
from talaria.entrypoints.config.types import pattern
from talaria.entrypoints.ops.answers import Failures
from talaria.entrypoints.ops.timeline import advice, facts_of, origin, steps

_LISTED = 20
_FOLLOW_SECONDS = 1.0
_STATUS = Annotated[str, pattern(STATUS, 'write one from "400" to "599", or "4xx" or "5xx"')]
_NONE = "No answer of 500 or above is remembered. Below: talaria explain --status 4xx"


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
@click.option("--status", type=written_as(_STATUS), metavar="STATUS", help='List those of this status: "401", "4xx".')
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
    if bool(request_id) == bool(last or follow or filters):
        raise click.UsageError("Give a request id, or --last N or another option that says which to list.")
    address = operators_of(ops, path)
    try:
        if request_id:
            _explain_one(address, request_id, as_json)
        elif follow:
            _follow(address, last or _LISTED, filters, as_json)
        else:
            _list(address, {"last": last or _LISTED, **filters}, as_json)
    except CannotAsk as error:
        fail(str(error), error.hint)


def _explain_one(address: Operators, request_id: str, as_json: bool) -> None:
    try:
        entry = ask(address, f"/5xx/{quote(request_id, safe='')}", FailureRecord)
    except NotThere:
        shown = request_id if request_id.isprintable() and len(request_id) <= 64 else "this id"
        fail(
            f"No answer of 400 or above is remembered for {shown}.",
            "It may have ended below 400 (the access log has its line), be older than the last"
            f" {KEPT:,} (below 500: the last few of its reason) or than the gateway's start, or have met another"
            " instance.",
            "What is remembered: talaria explain --last 20, or with --status 4xx",
        )
    if as_json:
        say_json(entry)
    else:
        _print_timeline(entry)


def _list(address: Operators, query: dict[str, str | int], as_json: bool) -> None:
    entries = _entries(address, query)
    if as_json:
        say_json(entries)
    elif entries:
        print_list(entries)
    else:
        say("No such answer is remembered." if len(query) > 1 else _NONE)


def _follow(address: Operators, last: int, filters: dict[str, str], as_json: bool) -> None:
    """The `last` of those that are there, and each that comes; the oldest first."""
    seen: Mapping[tuple[str, str], FailureRecord] = {}
    while True:
        entries = {(one.time, one.request_id): one for one in reversed(_entries(address, {"last": KEPT, **filters}))}
        fresh = [one for key, one in entries.items() if key not in seen][-last:]
        if as_json:
            for entry in fresh:
                click.echo(msgspec.json.encode(entry))
        elif fresh:
            print_list(fresh, headings=not seen)
        seen, last = entries, KEPT
        time.sleep(_FOLLOW_SECONDS)


def _entries(address: Operators, query: dict[str, str | int]) -> list[FailureRecord]:
    return ask(address, f"/5xx?{urlencode(query)}", Failures).entries


def _print_timeline(entry: FailureRecord) -> None:
    """One entry: its origin, what happened when, and what to do. Nothing is cut: what is too long goes on below."""
    facts = Table.grid(Column(), Column(overflow="fold"), padding=(0, 2))
    for name, value in facts_of(entry):
        facts.add_row(Text(name, style="dim"), Text(value))
    times = [Column(name, justify="right", no_wrap=True) for name in ("at", "took")]
    texts = [Column(name, overflow="fold") for name in ("what", "outcome")]
    table = Table(*times, *texts, box=None, padding=(0, 2), collapse_padding=True, pad_edge=False, header_style="dim")
    for step in steps(entry):
        took = "" if step.ms is None else f"{step.ms:.1f} ms"
        outcome = Text(step.outcome, style="green" if step.well else "red")
        table.add_row(f"{step.at_ms:.1f} ms", took, Text(step.what), outcome)
    headline = Text(f"{entry.status} {entry.reason or PASSED_ON}", style="bold red")
    console = Console(highlight=False, width=line_width())
    console.print(headline, Text(origin(entry)), "", facts, "", table, "", Text(advice(entry)), sep="\n")
