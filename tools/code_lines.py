"""Lines of code, without blank lines, comments and docstrings, and their bounds: `python -m tools.code_lines`.

The product is src/talaria without `sandbox` and `testing`. Of it, the modules that one feature alone has are counted by
the feature; all others are the house. The features and the bounds stand in code_lines.toml; `--write` sets every bound
to what is there, and leaves room for a small change.
"""

import ast
import re
import statistics
import sys
import tomllib
from collections import Counter
from pathlib import Path

from tools.repository_files import ROOT, nodes

SOURCE = ROOT / "src" / "talaria"
BOUNDS = Path(__file__).with_suffix(".toml")
BESIDE_THE_PRODUCT = ("sandbox", "testing")
HOUSE, PRODUCT = "the house", "the product"
_STEP = 25


def code_lines(text: str) -> int:
    """Of one module. A string that stands alone as a statement counts as a docstring."""
    lines = {number for number, line in enumerate(text.split("\n"), 1) if not re.match(r"\s*(#|$)", line)}
    for node in nodes(text):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            lines.update(_lines_of(node))  # blank ones, and what only looks like a comment
    for node in nodes(text):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(_lines_of(node))
    return len(lines)


def _lines_of(node: ast.expr | ast.Expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def sums(source: Path = SOURCE, bounds: Path = BOUNDS) -> Counter[str]:
    """The lines of each package of the house (two levels deep), of each feature, of the house and of the product."""
    features: dict[str, list[str]] = tomllib.loads(bounds.read_text())["features"]
    found: Counter[str] = Counter()
    for path in source.rglob("*.py"):
        module = path.relative_to(source)
        if module.parts[0] in BESIDE_THE_PRODUCT:
            continue
        lines, name = code_lines(path.read_text()), _feature(module, features)
        found[name or "/".join(module.parts[:-1][:2]) or "."] += lines
        found[PRODUCT] += lines
        found[HOUSE] += 0 if name else lines
    return found


def _feature(module: Path, features: dict[str, list[str]]) -> str:
    """The feature that alone has this module; empty for one of the house."""
    places = {str(module), *map(str, module.parents)}
    return next((name for name, modules in features.items() if not places.isdisjoint(modules)), "")


def excesses(source: Path = SOURCE, bounds: Path = BOUNDS) -> list[str]:
    """What is over its bound, or has none."""
    allowed: dict[str, int] = tomllib.loads(bounds.read_text())["bounds"]
    over = {name: lines - allowed.get(name, 0) for name, lines in sums(source, bounds).items()}
    return [f"{name}: {lines} lines of code too many" for name, lines in sorted(over.items()) if lines > 0]


def write(source: Path = SOURCE, bounds: Path = BOUNDS) -> None:
    """Set every bound to what is there, rounded up to the next `_STEP`."""
    before, _, _ = bounds.read_text().partition("[bounds]\n")
    table = "".join(
        f'"{name}" = {-(-lines // _STEP) * _STEP}\n' for name, lines in sorted(sums(source, bounds).items())
    )
    bounds.write_text(f"{before}[bounds]\n{table}")


def median_length(source: Path = SOURCE) -> float:
    """Of all lines of a file, blank ones, comments and docstrings too."""
    return statistics.median(len(path.read_text().splitlines()) for path in source.rglob("*.py"))


def main() -> None:
    """Print the table, or write it."""
    if sys.argv[1:] == ["--write"]:
        write()
    for name, lines in sorted(sums().items()):
        print(f"{lines:6} {name}")
    print(f"{median_length():6.0f} lines of all kinds in the median file")


if __name__ == "__main__":
    main()
