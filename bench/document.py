"""Writes the tables of a run into docs/performance.md: `python -m bench.document [FILE ...]`.

The files are those of bench/results/, the latest where none is named; a part that is in several is taken from the last.
What stands outside the two marks of the document is left alone.
"""

import json
import sys
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS
from bench.parts import PARTS
from bench.table import Table
from bench.testbed import ROOT
from bench.verdict import verdict

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- tables: written by bench.document -->", "<!-- end of tables -->"


def main() -> None:
    """Replaces the tables."""
    files = [Path(name) for name in sys.argv[1:]] or [RESULTS / "latest.json"]
    record: dict[str, Any] = {}
    for file in files:
        record |= json.loads(file.read_text())
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{_tables(record)}\n{END}{after}")


def _tables(record: dict[str, Any]) -> str:
    tables = [Table(**record[name]) for name in PARTS if name in record]
    parts = [f"## {table.title}\n\n{table.markdown()}" for table in [verdict(record), *tables]]
    return "\n".join([_of_what(record), *parts])


def _of_what(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    machine = record["machine"]
    return f"Python {machine['python']}, {machine['cpus']} cores; {versions}.\n"


if __name__ == "__main__":
    main()
