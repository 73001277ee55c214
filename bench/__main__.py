"""The command line: `python -m bench [--quick] [--only NAME ...]`.

Prints tables on stdout, progress on stderr where that is a terminal, and writes everything to bench/results/.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path

from bench import parts, peers, precedence, procs
from bench.load import LoadFailed
from bench.table import Table
from bench.testbed import Missing, Testbed, create, new_folder
from bench.verdict import verdict

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Runs the parts that were asked for, and ends with 1 where one of them could not be measured."""
    options = _options()
    procs.end_on_signals()
    folder = new_folder()
    try:
        testbed = create(folder, quick=options.quick, minutes=options.minutes)
        with precedence.taken():
            return _run(testbed, options.only or list(parts.PARTS))
    except (Missing, procs.DidNotStart) as error:
        print(f"the benchmark can't start: {error} (make bench-setup)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        procs.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What the gateway costs, beside others.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a measurement")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(parts.PARTS), help=", ".join(parts.PARTS))
    parser.add_argument("--minutes", type=float, default=45, help="begin no further part after so many (45)")
    return parser.parse_args()


def _run(testbed: Testbed, names: list[str]) -> int:
    record: dict[str, object] = {"machine": _machine(), "versions": peers.versions(), "quick": testbed.quick}
    failed = False
    for name in names:
        if testbed.late():
            print(f"{name}: not measured, the time is up\n", flush=True)
            continue
        try:
            table, rows = parts.PARTS[name](testbed, _progress)
        except (Missing, LoadFailed, procs.DidNotStart) as error:
            failed = True
            table, rows = Table(f"{name}: not measured", ["why"], [[str(error)]]), []
        _progress("")
        print(table, flush=True)
        record[name] = {"title": table.title, "columns": table.columns, "rows": table.rows, "notes": table.notes}
        record[f"{name}-rounds"] = rows
        _write(record)
    bounds = verdict(record)
    if bounds.rows:
        print(bounds, flush=True)
    return int(failed)


def _write(record: dict[str, object]) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(record, indent=1) + "\n"
    (RESULTS / f"{_STARTED}.json").write_text(text)
    (RESULTS / "latest.json").write_text(text)


def _machine() -> dict[str, object]:
    return {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


_STARTED = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())

if __name__ == "__main__":
    sys.exit(main())
