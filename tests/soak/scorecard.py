"""What of the dependencies' failures reaches the clients: `python -m tests.soak.scorecard [--only-print]`.

Runs every schedule three times, prints the table, and writes it into docs/reliability.md between the two marks; what
stands outside them is left alone. Takes about two minutes. All of it is one process on loopback: gateway, dependencies,
relays and clients share it, so the times say how much longer trouble takes, not how fast the gateway is.
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench.table import Table
from tests.integration.faults import support_schedules as schedules
from tests.integration.faults.support_overload import Offered, offer
from tests.integration.faults.support_schedules import Score, failures

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- scorecard: written by tests.soak.scorecard -->", "<!-- end of the scorecard -->"
ROUNDS = 3
COLUMNS = ["schedule", "requests", "failures in", "failures out", "calls each", "p99 ms"]

SCHEDULES: dict[str, Callable[[], Awaitable[Score]]] = {
    "personal answers 30 % of its calls with 503, all persons cold": lambda: schedules.cold_while_personal_fails(
        persons=1000, attempts=3
    ),
    "wind hangs, warm persons past their age": lambda: schedules.warm_while_it_fails("wind", "timeout", 40, 10),
    "wind is down, warm persons past their age": lambda: schedules.warm_while_it_fails("wind", "down", 40, 10),
    "personal is down, warm persons past their age": lambda: schedules.warm_while_it_fails("personal", "down", 40, 10),
    "one of two urls of the upstream is down, GET and POST": lambda: schedules.one_url_down(seconds=4.0),
    "the upstream closes connections at random, GET": lambda: schedules.closing_connections(1000, politely=True),
    "the upstream resets connections at random, GET": lambda: schedules.closing_connections(1000, politely=False),
    "personal hangs, timeout 600 ms, persons unknown, one after the other": lambda: schedules.hanging(4, timeout=0.6),
    "personal's circuit is open, persons unknown, one after the other": lambda: schedules.open_circuit(requests=400),
    "cold start of 1,000 persons, 500 of them at once": lambda: schedules.cold_start(persons=1000, clients=500),
}


async def main() -> int:
    """Measures, prints, writes. Ends with 1 where a POST was sent twice or a GET failed after the grace."""
    options = _options()
    scores: dict[str, list[Score]] = {}
    for number, (name, schedule) in enumerate(SCHEDULES.items(), 1):
        scores[name] = []
        for turn in range(ROUNDS):
            _progress(f"{number} of {len(SCHEDULES)}, round {turn + 1} of {ROUNDS}: {name}")
            scores[name].append(await schedule())
    _progress("more than it can take")
    load = [(await offer(times=0.7, seconds=1.0), await offer(times=3.0, seconds=2.0)) for _ in range(ROUNDS)]
    _progress("")
    tables = [_table(scores), _load(load)]
    for table in tables:
        print(table, flush=True)
    if not options.only_print:
        _write(tables)
    every = [score for several in scores.values() for score in several]
    return int(any(score.twice or failures(score.late) for score in every))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.scorecard", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only-print", action="store_true", help="leave docs/reliability.md as it is")
    return parser.parse_args()


def _table(scores: dict[str, list[Score]]) -> Table:
    table = Table("Failures in, failures out", COLUMNS)
    for name, several in scores.items():
        table.add(
            name,
            _spread([len(score.seen) for score in several]),
            _spread([score.faulty for score in several]),
            _spread([len(score.failed) for score in several]),
            _spread([score.calls_each for score in several], 2),
            _spread([score.p99 * 1000 for score in several]),
        )
    table.notes.append(_remarks([score for several in scores.values() for score in several]))
    return table


def _remarks(every: Sequence[Score]) -> str:
    twice = sum(score.twice for score in every)
    late = sum(len(failures(score.late)) for score in every)
    return f"With one url down: {late} GETs failed after the first two seconds, {twice} POSTs arrived twice."


def _load(pairs: Sequence[tuple[Offered, Offered]]) -> Table:
    table = Table("Three times the capacity", ["goodput, of the capacity", "p99 of those admitted, of the normal one"])
    goodput = [over.goodput / over.capacity for _, over in pairs]
    table.add(_spread(goodput, 2), _spread([over.p99 / normal.p99 for normal, over in pairs], 2))
    return table


def _spread(values: Sequence[float], digits: int = 0) -> str:
    """One number, or the least and the most."""
    least, most = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return least if least == most else f"{least}-{most}"


def _write(tables: Sequence[Table]) -> None:
    before, rest = DOCUMENT.read_text().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    where = (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, shared with everything else; {ROUNDS} rounds.\n"
    )
    parts = [where, *(f"## {table.title}\n\n{table.markdown()}" for table in tables)]
    text = "\n".join(parts)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
