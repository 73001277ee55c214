"""What is imported is declared: a library that comes with another one only is gone one day."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"talaria", "tests", "bench", "tools", "deploy"}


def declared(*, with_groups: bool) -> set[str]:
    """The names of the distributions in pyproject.toml, in their plain form."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [*project["dependency-groups"].values()] if with_groups else []
    listed = sum([*project["project"]["optional-dependencies"].values(), *groups], project["project"]["dependencies"])
    return {plain(re.split(r"[\[<>=!~; ]", one)[0]) for one in listed}


def plain(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: Path) -> Iterator[tuple[str, Path]]:
    """The top-level names that the files import, but for our own and the standard library's."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for top in {name.partition(".")[0] for name in names}:
                if top not in OURS and top not in sys.stdlib_module_names:
                    yield top, path


@pytest.mark.parametrize(("folder", "with_groups"), [("src", False), ("tests", True)])
def test_every_library_that_is_imported_is_declared(folder: str, with_groups: bool) -> None:
    known, from_where = declared(with_groups=with_groups), packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {top}"
        for top, path in imported(ROOT / folder)
        if not known & {plain(one) for one in from_where.get(top, [top])}
    }
    assert undeclared == set()
