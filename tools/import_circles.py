"""Circles of imports, read from the source: every import statement counts, wherever it stands."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.repository_files import nodes


def circles(source: Path, package: str) -> list[list[str]]:
    """The groups of modules that reach one another, each sorted. `source` is the folder that holds the package."""
    files = {_name(path.relative_to(source)): path for path in (source / package).rglob("*.py")}
    graph = {name: set(_imports(name, path, files)) for name, path in files.items()}
    return sorted(group for group in _strongly_connected(graph) if len(group) > 1)


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(name: str, path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    """The modules among `files` that this one imports: of `from a import b` the module `a.b`, or else `a`."""
    for node in nodes(path.read_text()):
        wanted: list[str] = []
        if isinstance(node, ast.Import):
            wanted = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(name, path, node)
            wanted = [each if (each := f"{base}.{one.name}") in files else base for one in node.names]
        yield from (each for each in wanted if each in files and each != name)


def _base(name: str, path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _strongly_connected(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Two modules are in one group if each is reached from the other."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) | {name} for name in graph}
    return [sorted(group) for group in groups]


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return found
