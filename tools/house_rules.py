"""The rules of the house that neither ruff nor mypy nor import-linter knows: `python -m tools.house_rules`.

Each rule is a function that returns the violations, as lines of text; tests/unit/test_house.py demands that there are
none.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.code_lines import SOURCE, excesses, median_length
from tools.import_circles import circles
from tools.repository_files import nodes, texts

MOST_LINES, MEDIAN_LINES = 400, 150

_WORDS = ("who", "whoever", "whom", "whose", "nobody", "somebody", "everybody", "anybody")
PERSON_WORD = re.compile(rf"(?<![a-z])({'|'.join(_WORDS)})s?(?![a-z])")
"""In small letters, which is three times as quick as any."""

TERM = re.compile(r"\bwhose fault\b", re.IGNORECASE)
"""What an `origin` says: the one term with such a word."""

FIXED_TEXTS = {"tests/unit/entrypoints/config/contract.toml": "the contract's own example"}
"""Files that may have such a word, and the reason."""

GUARDED = ("httpcore", "uvicorn", "prometheus_client")
"""Libraries with private names that break without notice."""

REPLACEABLE = {"sys.stdout", "sys.stderr"}
"""Attributes that their library documents as to be assigned."""

TESTED_PACKAGES = ("domain", "adapters", "entrypoints/public")


def _modules(*tops: str) -> Iterator[tuple[Path, str]]:
    return ((path, text) for path, text in texts() if path.suffix == ".py" and path.parts[0] in tops)


def person_words() -> list[str]:
    """The subject of a sentence is a thing: a connection, a waiter, a request."""
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts()
        if path.parts[0] in ("src", "tests") and str(path) not in FIXED_TEXTS
        if PERSON_WORD.search(text.lower())  # the whole file at once is quicker
        for number, line in enumerate(TERM.sub("", text).splitlines(), 1)
        if PERSON_WORD.search(line.lower())
    ]


def import_circles() -> list[str]:
    """Imports point one way, those for type checkers and those inside functions counted."""
    return [" <-> ".join(circle) for circle in circles(SOURCE.parent, "talaria")]


def long_files() -> list[str]:
    """One idea a file."""
    lengths = {path: text.count("\n") for path, text in _modules("src", "tests", "bench", "tools")}
    found = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > MOST_LINES]
    if (median := median_length()) >= MEDIAN_LINES:
        found.append(f"the median file of src has {median:.0f} lines")
    return found


def too_much_code() -> list[str]:
    """The size that each part of the product has been given (tools/code_lines.toml)."""
    return excesses()


def patched_libraries() -> list[str]:
    """Nothing is assigned to a module, class or function that was imported from elsewhere."""
    found = []
    for path, text in _modules("src"):
        imported = _imported(text)
        assigned = [
            node for node, owner in _assignments(text) if owner in imported and ast.unparse(node) not in REPLACEABLE
        ]
        found += [f"{path}:{node.lineno}: {ast.unparse(node)}" for node in assigned]
    return found


def _imported(text: str) -> set[str]:
    names: set[str] = set()
    for node in nodes(text):
        if isinstance(node, ast.Import):
            names |= {(each.asname or each.name).split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {each.asname or each.name for each in node.names}
    return names


def _assignments(text: str) -> Iterator[tuple[ast.expr, str]]:
    """Attributes that are set or deleted, each with the name at its root."""
    for node in nodes(text):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node, _root(node)
        elif isinstance(node, ast.Call) and _root(node.func) in ("setattr", "delattr") and node.args:
            yield node, _root(node.args[0])


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def private_names() -> list[str]:
    """No underscore of a guarded library: not in an import and, in a file that has one, not as an attribute."""
    found = []
    for path, text in _modules("src"):
        guarded = [name for name in _imported_modules(text) if name.split(".")[0] in GUARDED]
        found += [f"{path}: imports {name}" for name in guarded if "._" in name]
        if guarded:
            own = _own_names(text)
            found += [
                f"{path}:{node.lineno}: {ast.unparse(node)}"
                for node in nodes(text)
                if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr) and node.attr not in own
            ]
    return found


def _imported_modules(text: str) -> Iterator[str]:
    """With what is imported from each: "library.module.name"."""
    for node in nodes(text):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _own_names(text: str) -> set[str]:
    """What the file defines itself: functions, classes, attributes of `self`, names of a class's body."""
    own: set[str] = set()
    for node in nodes(text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _root(node) == "self":
            own.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
    return own


def untested_modules() -> list[str]:
    """A module of these packages has the unit test file of its name, in the mirrored folder."""
    have = {path for path, _ in _modules("tests")}
    return [
        f"{path} has no {test}"
        for path, _ in _modules("src")
        if str(path).startswith(tuple(f"src/talaria/{package}/" for package in TESTED_PACKAGES))
        if path.name != "__init__.py"
        if (test := Path("tests/unit", *path.parts[2:-1], f"test_{path.name}")) not in have
    ]


def unnamed_helpers() -> list[str]:
    """What helps tests (and is no program) is called support_*.py, and no two have one name."""
    helpers = [
        path
        for path, text in _modules("tests")
        if not path.name.startswith("test_") and path.name not in ("conftest.py", "__init__.py")
        if 'if __name__ == "__main__"' not in text
    ]
    found = [f"{path} is not called support_*.py" for path in helpers if not path.name.startswith("support_")]
    names = [path.name for path in helpers]
    return found + [f"{path} is not the only one of its name" for path in helpers if names.count(path.name) > 1]


RULES: dict[str, Callable[[], list[str]]] = {
    rule.__name__: rule
    for rule in (
        person_words,
        import_circles,
        long_files,
        too_much_code,
        patched_libraries,
        private_names,
        untested_modules,
        unnamed_helpers,
    )
}


def main() -> int:
    """Print what violates which rule; 1 where there is any."""
    violations = {name: rule() for name, rule in RULES.items()}
    for name, lines in violations.items():
        print(f"{name}: {len(lines)}", *lines, sep="\n  ")
    return int(any(violations.values()))


if __name__ == "__main__":
    sys.exit(main())
