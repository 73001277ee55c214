"""Lines of code, without blank lines, comments and docstrings: `python -m tools.code_lines`.

The product is src/talaria without `sandbox` and `testing`.
"""

import ast
import io
import statistics
import tokenize
from collections import Counter
from pathlib import Path

from tools.repository_files import ROOT

SOURCE = ROOT / "src" / "talaria"
BESIDE_THE_PRODUCT = ("sandbox", "testing")
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(text: str) -> int:
    """Of one module. A string that stands alone as a statement counts as a docstring."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def by_package(source: Path = SOURCE) -> Counter[str]:
    """The sums of the packages, two levels deep."""
    sums: Counter[str] = Counter()
    for path in source.rglob("*.py"):
        sums["/".join(path.relative_to(source).parts[:-1][:2]) or "."] += code_lines(path.read_text())
    return sums


def product_lines(source: Path = SOURCE) -> int:
    """The sum of the product."""
    return sum(lines for name, lines in by_package(source).items() if name.split("/")[0] not in BESIDE_THE_PRODUCT)


def median_length(source: Path = SOURCE) -> float:
    """Of all lines of a file, blank ones, comments and docstrings too."""
    return statistics.median(len(path.read_text().splitlines()) for path in source.rglob("*.py"))


def main() -> None:
    """Print the table."""
    for name, lines in sorted(by_package().items()):
        print(f"{lines:6} {name}")
    print(f"{product_lines():6} the product")
    print(f"{median_length():6.0f} lines of all kinds in the median file")


if __name__ == "__main__":
    main()
