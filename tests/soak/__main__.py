"""The soak: `python -m tests.soak [MINUTES]`, three where none are named.

Rough weather (tests/integration/faults/support_rough.py) for so long, then ten rolling restarts under load, then a
minute of everything at once (tests/integration/attacks/support_everything.py). Ends with 1 where an answer was another
person's, where the gateway counted otherwise than the clients saw, where memory, tasks or descriptors have grown since
the warm-up, or where a restart lost a request. Says where it is on a terminal only.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bench.table import Table
from tests.integration.attacks.support_everything import everything_at_once
from tests.integration.faults.support_rolling import roll
from tests.integration.faults.support_rough import Books, check_books, rough_weather
from tests.soak.support_vitals import MIB, Vitals, vitals

MINUTES, RESTARTS = 3.0, 10
EVERYTHING_SECONDS = 60.0


async def main(minutes: float, seed: int, restarts: int) -> int:
    """All of it; 0 where nothing is wrong."""
    wrong: list[str] = []
    async with rough_weather(seed) as weather:
        warm = _warm_up(minutes * 60)
        await weather.spell(warm, lambda gone: _progress("warming up", gone, warm))
        before = await vitals()
        rest = minutes * 60 - warm
        await weather.spell(rest, lambda gone: _progress("rough weather", gone, rest))
        after = await vitals()
        wrong += await check_books(weather)
        wrong += after.grown(before)
        books = weather.books
    _progress("rolling restarts", 0, restarts)
    with tempfile.TemporaryDirectory(prefix="talaria-soak-") as folder:
        tally, codes = await roll(Path(folder), times=restarts)
        _progress("everything at once", 0, EVERYTHING_SECONDS)
        wrong += await everything_at_once(Path(folder), EVERYTHING_SECONDS)
    statuses = Counter(tally.statuses)
    wrong += [f"restarts: {status} {count} times" for status, count in statuses.items() if status != 200]
    wrong += [f"restarts: lost: {what}" for what in tally.lost]
    wrong += [f"restarts: exit code {code}" for code in codes if code != 0]
    _progress("", 0, 0)
    print(_table(books, before, after))
    print(f"{restarts} rolling restarts: {len(tally.statuses)} requests, {len(tally.lost)} lost")
    print("\n".join(["", "WRONG:", *wrong] if wrong else ["nothing is wrong"]))
    return int(bool(wrong))


def _warm_up(seconds: float) -> float:
    """Long enough for what is bounded to fill: a soak of one minute has most of it gone by then."""
    return max(0.3 * seconds, min(0.75 * seconds, 50.0))


def _table(books: Books, before: Vitals, after: Vitals) -> Table:
    table = Table(f"{books.requests} requests in rough weather", ["status", "reason", "seen and counted"])
    for (_, status, reason), count in sorted(books.lines.items(), key=lambda line: line[0][1:]):
        table.add(status or "cut", reason or "the upstream's", count)
    table.notes.append(
        f"memory {before.memory / MIB:.0f} -> {after.memory / MIB:.0f} MiB, tasks {before.tasks} -> {after.tasks},"
        f" descriptors {before.descriptors} -> {after.descriptors}, answers of another person: {len(books.wrong)}"
    )
    return table


def _progress(what: str, gone: float, whole: float) -> None:
    if sys.stderr.isatty():
        share = f" {100 * gone / whole:.0f} %" if whole else ""
        print(f"\r\033[K{what}{share}", end="", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("minutes", nargs="?", type=float, default=MINUTES, help="of rough weather (3)")
    parser.add_argument("--seed", type=int, default=1, help="another one, another weather (1)")
    parser.add_argument("--restarts", type=int, default=RESTARTS, help="one after the other (10)")
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    sys.exit(asyncio.run(main(options.minutes, options.seed, options.restarts)))
