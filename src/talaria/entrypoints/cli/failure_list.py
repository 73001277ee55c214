"""The list of failures: each in a row, or in two where the terminal is narrow, and never cut."""

import datetime
import re
from collections.abc import Iterator, Sequence

import rich_click as click

from talaria.adapters.telemetry.failure_log import PASSED_ON, FailureRecord
from talaria.adapters.telemetry.timestamps import rfc3339
from talaria.entrypoints.cli.shared import line_width
from talaria.entrypoints.config.types import seconds_of

_WIDE = 132
_HEADINGS = ("request id", "status", "reason", "time (UTC)", "route", "caller", "took", "cause")
_FIRST_ROW = 3
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


def moment(text: str, now: datetime.datetime) -> str:
    """A moment as RFC 3339 in UTC: from one, from so long ago ("15m"), or from a time of today in UTC ("03:10").

    Raises ValueError.
    """
    ago = seconds_of(text)
    if ago is not None:
        return rfc3339(now.timestamp() - ago)
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        hour, minute, second = (int(part or 0) for part in clock.groups())
        return rfc3339(now.replace(hour=hour, minute=minute, second=second, microsecond=0).timestamp())
    found = datetime.datetime.fromisoformat(text)
    return rfc3339((found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp())


def print_list(entries: Sequence[FailureRecord], *, headings: bool = True) -> None:
    """A row for each, the request id first."""
    rows = [_cells(entry) for entry in entries]
    for line in _lines([_HEADINGS, *rows] if headings else rows, wide=line_width() >= _WIDE):
        click.echo(line)


def _cells(entry: FailureRecord) -> tuple[str, ...]:
    reason, route, caller = entry.reason or PASSED_ON, entry.tag or "-", entry.caller or "-"
    took = f"{entry.total_ms:.0f} ms"
    return entry.request_id, str(entry.status), reason, entry.time, route, caller, took, entry.cause or "-"


def _lines(rows: Sequence[tuple[str, ...]], wide: bool) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if wide:
            yield "  ".join(cells).rstrip()
        else:
            yield "  ".join(cells[:_FIRST_ROW]).rstrip()
            yield f"    {'  '.join(cells[_FIRST_ROW:]).rstrip()}"
